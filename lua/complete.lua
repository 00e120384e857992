-- Moves tasks of one queue from active to completed: tasks that succeeded and have a retention.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:completed
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] when the day's counter expires (unix s)
-- ARGV[3…] 6 per task: id owner lock kept rest retention
--   owner       owner token
--   lock        key of the unique lock; "" for none
--   kept        how many bytes of the stored message stay
--   rest        what follows these bytes
--   retention   how long the task is kept (ms)
-- Touches the tasks' hashes. Releases their unique locks.
-- Replies per task
--   1  completed
--   0  not completed: the claim is not valid
-- use: now, due, field, owned, take_owned, move_to_set, for_each_task, count
local active, lease, completed = KEYS[1], KEYS[2], KEYS[3]
local first_task = 3
-- A key of a wrong type fails here, before the first write.
redis.call('ZCARD', completed)
local function complete(key, id, owner, lock, kept, rest, retention)
  if not take_owned(key, id, owner, active, lease) then return false end
  move_to_set(key, id, lease, completed, due(retention), 'completed', kept, rest)
  if lock ~= '' and redis.pcall('GET', lock) == id then redis.call('DEL', lock) end
  return true
end
local replies, n = for_each_task(ARGV[1], first_task, 6, complete)
count(KEYS[4], KEYS[5], n, ARGV[2])
return replies
