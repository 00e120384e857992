-- Removes a queue that was deleted from asynq:queues, unless a new task has started it again.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:scheduled
-- KEYS[4] asynq:{q}:retry
-- KEYS[5] asynq:{q}:archived
-- KEYS[6] asynq:{q}:completed
-- KEYS[7] asynq:{q}:groups
-- KEYS[8] asynq:{q}:aggregation_sets
-- KEYS[9] rasynq:{q}:deleted
-- KEYS[10] asynq:queues; omitted if it may lie in another hash slot (in a cluster): then nothing is removed
-- ARGV[1] name of the queue
-- Replies 1 if the queue has no tasks, otherwise 0
local has = redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9])
if has > 0 then return 0 end
if KEYS[10] then redis.call('SREM', KEYS[10], ARGV[1]) end
return 1
