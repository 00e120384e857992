-- Takes tasks as dequeue.lua does, and ends others of the same queue as done.lua does: for a few at a time
-- a call costs more than what it does. Each part has its own answer. The first is the one that Redis
-- refuses when it is out of memory: after a write it refuses nothing for that.
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
-- Replies {as dequeue.lua, as done.lua}, or {"refused", error} in the place of a part that Redis refuses.
-- use: field, owned, withdraw, count, done, dequeue
local active, lease, prefix = KEYS[2], KEYS[3], ARGV[1]
local i = 7
local function answer(ok, said)
  -- as it is returned, or as it is raised: a table, or text before Redis 7
  local refusal = not ok and type(said) ~= 'table' and tostring(said) or type(said) == 'table' and said.err
  return refusal and { 'refused', refusal } or said
end
local taken = answer(pcall(dequeue, KEYS[1], active, lease, KEYS[4], prefix, ARGV[2], ARGV[3], ARGV[4]))
return { taken, answer(pcall(done, active, lease, KEYS[5], KEYS[6], prefix, ARGV[5], ARGV[6], i)) }
