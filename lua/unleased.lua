-- Lists active tasks of one queue that have no lease: nobody runs them, and nobody recovers them.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:deadlines, in which asynq before v0.24 kept the active tasks
-- ARGV[1] how many ids of KEYS[1] to skip, the oldest first
-- ARGV[2] how many ids to read at most
-- Replies {read, id, …}: the number of ids read, and those without a lease
local skipped, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local ids = redis.call('LRANGE', KEYS[1], string.format('%d', -skipped - limit), string.format('%d', -skipped - 1))
local reply = { #ids }
if #ids == 0 then return reply end
local scores = redis.call('ZMSCORE', KEYS[2], unpack(ids))
for i, id in ipairs(ids) do
  if not scores[i] and not redis.call('ZSCORE', KEYS[3], id) then reply[#reply + 1] = id end
end
return reply
