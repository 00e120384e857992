-- Ends tasks of one queue that succeeded and are kept as completed.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:completed
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] end of life of the day's counter (unix s)
-- ARGV[3…] per task 6: id, owner, original message or "", lock's key or "", message to store, until
--          when it is kept (unix s)
-- Touches the tasks' hashes and their locks.
-- Replies per task: 1 completed | 0 no longer held by this run.
-- use: field, owned, take_held, count
local active, lease, completed = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', lease)
redis.call('ZCARD', completed)
local replies, ended = {}, 0
for i = 3, #ARGV, 6 do
  local id, owner, original, lock, msg, keep_until = unpack(ARGV, i, i + 5)
  local key = ARGV[1] .. id
  if take_held(key, id, owner, original, active) then
    redis.call('ZREM', lease, id)
    redis.call('ZADD', completed, keep_until, id)
    redis.call('HSET', key, 'msg', msg, 'state', 'completed')
    redis.call('HDEL', key, 'rasynq_owner')
    if lock ~= '' and redis.pcall('GET', lock) == id then redis.call('DEL', lock) end
    ended = ended + 1
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
count(KEYS[4], KEYS[5], ended, ARGV[2])
return replies
