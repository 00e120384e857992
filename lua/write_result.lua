-- Writes the result of a running task; never brings a deleted one back.
--
-- KEYS[1] asynq:{q}:t:<id>
-- ARGV[1] owner
-- ARGV[2] result
-- Replies 1 written | 0 no longer held by this run.
-- use: field, owned
if not owned(KEYS[1], ARGV[1], '') or field(KEYS[1], 'state') ~= 'active' then return 0 end
redis.call('HSET', KEYS[1], 'result', ARGV[2])
return 1
