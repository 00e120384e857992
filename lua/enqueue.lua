-- Stores new tasks of one queue. Each of them succeeds or fails independently.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:groups
-- KEYS[4] asynq:queues; omitted if it may lie in another hash slot (in a cluster)
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] name of the queue
-- ARGV[4] rasynq:{q}:enqueue:<call>, the mark of the enqueue: the number of its newest attempt that has
--         arrived, if that is not the first one. It is not among the keys, so that a user without
--         permission for it can enqueue
-- ARGV[5] number of this attempt, from 1. An earlier attempt, whose reply was lost, may have stored these
--         tasks, or may arrive later
-- ARGV[6] how long the mark is kept (s)
-- ARGV[7…] the tasks, at most 1,000 (unpack takes a few thousand values), as a sequence of parts of
--         these two forms:
--   "pending" n (id msg)×n    pending tasks; their ids are distinct
--   "more" id msg state at group lock ttl   one task with options
--     state  pending | scheduled | aggregating
--     at     when a scheduled task is due (unix s), or "+" and how long until then (ms); otherwise "0"
--     group  group that an aggregating task joins now, or a scheduled task when it is due; "" for none
--     lock   key of the unique lock; "" for none
--     ttl    TTL of the lock (s)
-- Touches the tasks' hashes, their unique locks, asynq:{q}:g:<group>.
-- Replies one of
--   an error           no task is stored: a later attempt has arrived before this one, or
--                      asynq:queues cannot be written
--   number of tasks    all are stored
--   a list, per task:
--     1             stored
--     0             not stored: another task has this id
--     {-1, holder}  not stored: the task with the id `holder` has the unique lock; "" if unknown because
--                   the lock's key has a wrong type
--     {-2, error}   not stored: refused by Redis
--     {-3, stored}  only in an attempt after the first: a task with this id exists; `stored` is its message.
--                   The caller compares the two messages.
-- use: now, nanos, due, field, arrives_late, enqueue
local first_task = 7
-- An attempt has no effect once a later one has arrived: the tasks may have run and been deleted since.
if arrives_late(ARGV[4], ARGV[5], ARGV[6]) then
  return redis.error_reply('ERR a later attempt of this enqueue has arrived before')
end
local repeated = tonumber(ARGV[5]) > 1
return enqueue(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], ARGV[3], repeated, ARGV, first_task)
