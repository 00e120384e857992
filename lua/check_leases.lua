-- Counts the active tasks of one queue and their leases, and tells when the first lease expires.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- Replies {active, leases, expiry}: expiry is '' without a lease (unix s)
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return { redis.call('LLEN', KEYS[1]), redis.call('ZCARD', KEYS[2]), first[2] or '' }
