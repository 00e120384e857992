-- Returns active tasks of one queue to pending, uncounted, next in line.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:pending
-- ARGV[1] prefix of task keys
-- ARGV[2…] 2 per task: id owner; the last task is fetched first
--   owner     owner token
-- Touches the tasks' hashes.
-- Replies per task
--   1  requeued
--   0  not requeued: the claim is not valid
-- use: now, nanos, field, owned, take_owned, return_to_pending, for_each_task
local active, lease, pending = KEYS[1], KEYS[2], KEYS[3]
local first_task = 2
-- A key of a wrong type fails here, before the first write.
redis.call('LLEN', pending)
-- In parentheses, as a script replies with one value.
return (for_each_task(ARGV[1], first_task, 2, function(key, id, owner)
  if not take_owned(key, id, owner, active, lease) then return false end
  return_to_pending(key, id, lease, pending)
  return true
end))
