-- move_to_set(key, id, lease, set, score, state, msg): puts task `id`, which the caller has just removed from
-- active, into the sorted set `set`. Its message becomes `msg`; '' leaves it unchanged.
local function move_to_set(key, id, lease, set, score, state, msg)
  redis.call('ZREM', lease, id)
  redis.call('ZADD', set, score, id)
  if msg == '' then
    redis.call('HSET', key, 'state', state)
  else
    redis.call('HSET', key, 'msg', msg, 'state', state)
  end
  redis.call('HDEL', key, 'rasynq_owner')
end
