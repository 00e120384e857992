-- Gives back what a fetch took whose reply never arrived: next in line, uncounted, in order.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:pending
-- ARGV[1] prefix of task keys
-- ARGV[2] owner: the name of that fetch
-- Touches the tasks' hashes.
-- Replies the number of tasks given back.
-- use: now, nanos, field, owned
local active, lease, pending = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', lease)
redis.call('LLEN', pending)
local given = 0
-- a fetch puts its tasks at the head, oldest deepest; so the newest goes back first
for _, id in ipairs(redis.call('LRANGE', active, 0, -1)) do
  local key = ARGV[1] .. id
  if owned(key, ARGV[2], '') then
    redis.call('LREM', active, 1, id)
    redis.call('ZREM', lease, id)
    redis.call('RPUSH', pending, id)
    redis.call('HSET', key, 'state', 'pending', 'pending_since', now_nanos)
    redis.call('HDEL', key, 'rasynq_owner')
    given = given + 1
  end
end
return given
