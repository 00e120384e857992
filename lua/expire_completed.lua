-- Deletes completed tasks of one queue whose retention has ended.
--
-- KEYS[1] asynq:{q}:completed
-- ARGV[1] prefix of task keys
-- ARGV[2] how many tasks to delete at most
-- Touches the tasks' hashes.
-- Replies the number of tasks deleted.
-- use: now
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_secs, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  redis.call('DEL', ARGV[1] .. id)
  redis.call('ZREM', KEYS[1], id)
end
return #ids
