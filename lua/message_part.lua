-- Gives a part of the message of an active task.
--
-- KEYS[1] asynq:{q}:lease
-- KEYS[2] asynq:{q}:t:<id>
-- ARGV[1] id
-- ARGV[2] owner token
-- ARGV[3] the first byte of the part, counted from 1
-- ARGV[4] how many bytes to read at most
-- Replies one of
--   the bytes
--   nothing    another fetch owns the task, or it is deleted
-- use: field, owned
if not owned(KEYS[2], ARGV[1], ARGV[2], KEYS[1]) then return false end
local msg = field(KEYS[2], 'msg')
return msg and string.sub(msg, ARGV[3], ARGV[3] + ARGV[4] - 1)
