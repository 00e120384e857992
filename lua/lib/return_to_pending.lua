-- return_to_pending(key, id, lease, pending): makes task `id`, which the caller has just removed from
-- active, the next one to be fetched.
local function return_to_pending(key, id, lease, pending)
  redis.call('ZREM', lease, id)
  redis.call('RPUSH', pending, id)
  redis.call('HSET', key, 'state', 'pending', 'pending_since', now_nanos)
  redis.call('HDEL', key, 'rasynq_owner')
end
