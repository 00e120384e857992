-- Tells how many tasks groups of one queue have, and since when.
--
-- KEYS[…] asynq:{q}:g:<group>, at most 500
-- Replies {size, oldest, newest, …}, 3 per key: the number of its tasks, its lowest and its highest score; 0 "0" "0"
-- if the group has no tasks or its key has a wrong type
local call, try = redis.call, redis.pcall
local reply, n = {}, 0
for _, group in ipairs(KEYS) do
  local size, oldest, newest = try('ZCARD', group), '0', '0'
  if type(size) == 'table' then
    size = 0
  elseif size > 0 then
    oldest = call('ZRANGE', group, 0, 0, 'WITHSCORES')[2]
    newest = call('ZRANGE', group, -1, -1, 'WITHSCORES')[2]
  end
  reply[n + 1], reply[n + 2], reply[n + 3] = size, oldest, newest
  n = n + 3
end
return reply
