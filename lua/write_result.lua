-- Writes the result or the progress of a running task into its hash, if the task is still this run's.
--
-- KEYS[1] asynq:{q}:t:<id>
-- ARGV[1] owner token
-- ARGV[2] result or progress
-- Replies one of
--   1  written
--   0  not written: the task is not active, another run owns it, or it is deleted (its hash must not be created
--      again)
-- use: field, has_message, owned
if not owned(KEYS[1], ARGV[1], '') or field(KEYS[1], 'state') ~= 'active' then return 0 end
redis.call('HSET', KEYS[1], 'result', ARGV[2])
return 1
