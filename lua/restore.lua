-- Returns the tasks of a lost fetch to pending, uncounted, next in line, in their old order.
--
-- A fetch is lost if its reply never arrived: nobody runs its tasks.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:pending
-- ARGV[1] prefix of task keys
-- ARGV[2] owner token of the lost fetch
-- Touches the tasks' hashes.
-- Replies the number of tasks restored.
-- use: now, nanos, field, owned, return_to_pending
local active, lease, pending = KEYS[1], KEYS[2], KEYS[3]
-- A key of a wrong type fails here, before the first write.
redis.call('LLEN', pending)
local restored = 0
-- A fetch pushes its tasks to the head of active, the oldest first. So the list, read from its head, begins
-- with the newest. The oldest returns to pending last, and is fetched next.
for _, id in ipairs(redis.call('LRANGE', active, 0, -1)) do
  local key = ARGV[1] .. id
  if owned(key, id, ARGV[2], lease) then
    redis.call('LREM', active, 1, id)
    return_to_pending(key, id, lease, pending)
    restored = restored + 1
  end
end
return restored
