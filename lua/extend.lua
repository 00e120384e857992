-- Renews the leases of active tasks of one queue.
--
-- KEYS[1] asynq:{q}:lease
-- ARGV[1] prefix of task keys
-- ARGV[2] length of a lease (s)
-- ARGV[3…] 2 per task: id owner
--   owner  owner token
-- Touches the tasks' hashes.
-- Replies per task
--   1  renewed
--   0  lost: another fetch owns the task, or it is no longer active
-- use: now, field, owned, for_each_task
local lease = KEYS[1]
local first_task = 3
local expires_at = string.format('%d', now_secs + tonumber(ARGV[2]))
-- Leases must be renewed even if memory is full. Redis then refuses writes that need memory until the script has
-- written something. This write needs no memory, and removes nothing.
redis.call('ZREM', lease, '')
-- In parentheses, as a script replies with one value.
return (for_each_task(ARGV[1], first_task, 2, function(key, id, owner)
  if not owned(key, id, owner, lease) then return false end
  redis.call('ZADD', lease, 'XX', expires_at, id)
  redis.call('HSET', key, 'rasynq_owner', owner .. '@' .. expires_at)
  return true
end))
