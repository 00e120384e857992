-- Deletes active tasks of one queue that were revoked, or that succeeded and have no retention.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:processed:<day>
-- KEYS[4] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] when the day's counter expires (unix s)
-- ARGV[3] the range of active in which the tasks are expected: n for the n newest (the head of the list), -n
--         for the n oldest (the tail). Never 0. Only for speed: tasks outside the range are found too.
-- ARGV[4…] the tasks, at most 1,000 (unpack takes a few thousand values), as a sequence of parts of
--         these two forms:
--   owner n (id)×n          tasks with this owner token and without a unique lock
--   owner "locked" id lock  one task, and the key of its unique lock
-- Touches the tasks' hashes. Releases their unique locks.
-- Replies the number of tasks if all were deleted; otherwise per task
--   1  deleted
--   0  not deleted: the claim is not valid
-- use: field, owned, remove_active, count, done
local first_task = 4
local replies, n = done(KEYS[1], KEYS[2], ARGV[1], ARGV[3], first_task)
count(KEYS[3], KEYS[4], n, ARGV[2])
return replies
