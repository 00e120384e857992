-- Lists a server as an owner of a queue: it may hold tasks of it.
--
-- KEYS[1] rasynq:{q}:owners
-- ARGV[1] time to live of the listing, and of the key (s)
-- ARGV[2] how the server is listed
-- ARGV[3] how it is listed no more
-- Replies 1
-- use: now
redis.call('ZADD', KEYS[1], now_secs + tonumber(ARGV[1]), ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_secs)
return 1
