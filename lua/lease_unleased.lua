-- Gives active tasks of one queue that have no lease one that has just expired, so that they are recovered.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- ARGV[1…] 1 per task: id
-- Replies with the number of tasks that got a lease
-- use: now
local active, lease = KEYS[1], KEYS[2]
local first_task = 1
local leased = 0
for i = first_task, #ARGV do
  local id = ARGV[i]
  if not redis.call('ZSCORE', lease, id) and redis.call('LPOS', active, id) then
    leased = leased + redis.call('ZADD', lease, 'NX', now_secs, id)
  end
end
return leased
