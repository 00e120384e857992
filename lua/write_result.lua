-- Writes the result or the progress of a running task into its hash, if the task is still this run's.
--
-- KEYS[1] asynq:{q}:t:<id>
-- KEYS[2] asynq:{q}:lease
-- ARGV[1] id
-- ARGV[2] owner token
-- ARGV[3] result or progress
-- Replies one of
--   1  written
--   0  not written: the task is no longer active, another run owns it, or it is deleted (its hash must not be
--      created again)
-- use: field, owned
if not owned(KEYS[1], ARGV[1], ARGV[2], KEYS[2]) then return 0 end
redis.call('HSET', KEYS[1], 'result', ARGV[3])
return 1
