-- Ends and removes tasks of one queue that succeeded (or were revoked) and are not kept.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:processed:<day>
-- KEYS[4] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] end of life of the day's counter (unix s)
-- ARGV[3] where in active to look for them first: among so many at its head, or minus so many at its
--         tail; not 0
-- ARGV[4…] the tasks, at most 1,000, in parts. A part begins with the owner of all its tasks. Then,
--          for tasks without a lock whose lease is valid: how many they are, and their ids. Or
--          "more" and a single task: id, original message or "", lock's key or ""
-- Touches the tasks' hashes and their locks.
-- Replies how many they are, if all were held. Otherwise per task: 1 done | 0 no longer held by this run.
-- use: field, owned, withdraw, count, done
local i = 4
return done(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], ARGV[3], i)
