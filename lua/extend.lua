-- Renews the leases that a server holds in one queue.
--
-- KEYS[1] asynq:{q}:lease
-- ARGV[1] prefix of task keys
-- ARGV[2] length of a lease (s)
-- ARGV[3…] per task 2: id, owner
-- Reads the tasks' hashes.
-- Replies per task: 1 renewed | 0 lost: another has it, or it is gone.
-- use: now, field, owned
local expires_at = string.format('%d', now_secs + tonumber(ARGV[2]))
local replies = {}
-- changes nothing; but after its first write a script is not refused for want of memory, and leases
-- must live on
redis.call('ZREM', KEYS[1], '')
for i = 3, #ARGV, 2 do
  local id, owner = ARGV[i], ARGV[i + 1]
  if redis.call('ZSCORE', KEYS[1], id) and owned(ARGV[1] .. id, owner, '') then
    redis.call('ZADD', KEYS[1], 'XX', expires_at, id)
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
return replies
