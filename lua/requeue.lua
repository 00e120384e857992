-- Gives active tasks of one queue back to pending, next in line, uncounted.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:pending
-- ARGV[1] prefix of task keys
-- ARGV[2…] per task 3: id, owner, original message or ""; the last one is next in line
-- Touches the tasks' hashes.
-- Replies per task: 1 given back | 0 no longer held by this run.
-- use: now, nanos, field, owned, take_held
local active, lease, pending = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', lease)
redis.call('LLEN', pending)
local replies = {}
for i = 2, #ARGV, 3 do
  local id, owner, original = unpack(ARGV, i, i + 2)
  local key = ARGV[1] .. id
  if take_held(key, id, owner, original, active) then
    redis.call('ZREM', lease, id)
    redis.call('RPUSH', pending, id)
    redis.call('HSET', key, 'state', 'pending', 'pending_since', now_nanos)
    redis.call('HDEL', key, 'rasynq_owner')
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
return replies
