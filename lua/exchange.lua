-- Ends tasks as done.lua does, then takes others of the same queue as dequeue.lua does: for a few at a
-- time a call costs more than what it does.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:lease
-- KEYS[4] asynq:{q}:paused
-- KEYS[5] asynq:{q}:processed:<day>
-- KEYS[6] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] want
-- ARGV[3] length of the lease (s)
-- ARGV[4] owner: names this fetch
-- ARGV[5] end of life of the day's counter (unix s)
-- ARGV[6] where in active to look first for those that end, as ARGV[3] of done.lua
-- ARGV[7…] the tasks that end, as ARGV[4…] of done.lua
-- Touches the tasks' hashes and their locks.
-- Replies {as done.lua, as dequeue.lua | {"refused", error} if Redis refuses the second part}.
-- use: field, owned, withdraw, count, done, dequeue
local active, lease, prefix = KEYS[2], KEYS[3], ARGV[1]
local i = 7
local ended = done(active, lease, KEYS[5], KEYS[6], prefix, ARGV[5], ARGV[6], i)
local _, taken = pcall(dequeue, KEYS[1], active, lease, KEYS[4], prefix, ARGV[2], ARGV[3], ARGV[4])
-- as it is returned, or as it is raised: a table, or text before Redis 7
local refusal = type(taken) ~= 'table' and tostring(taken) or taken.err
return { ended, refusal and { 'refused', refusal } or taken }
