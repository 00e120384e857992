-- Lists those groups that have tasks.
--
-- KEYS[…] asynq:{q}:g:<group>, at most 500; the last key is asynq:{q}:groups
-- ARGV[1…] 1 per group: its name
-- Replies how many of these groups have tasks and were not listed
local groups = KEYS[#KEYS]
local first_group = 1
local call, try = redis.call, redis.pcall
local relisted = 0
for i = first_group, #ARGV do
  local size = try('ZCARD', KEYS[i])
  if type(size) == 'number' and size > 0 then relisted = relisted + call('SADD', groups, ARGV[i]) end
end
return relisted
