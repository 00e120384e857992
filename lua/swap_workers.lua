-- Shows other tasks as those that a server runs, all at once: swaps the shown hash and a spare one.
--
-- KEYS[1] asynq:workers:{host:pid:server_id}
-- KEYS[2] rasynq:workers:{host:pid:server_id}, the spare hash
-- KEYS[3] rasynq:workers:{host:pid:server_id}:swap, which exists only during this script
-- ARGV[1] time to live of KEYS[1] (s)
-- ARGV[2] time to live of KEYS[2] (s)
-- ARGV[3] how many tasks the spare hash must have
-- Replies one of
--   1  swapped
--   0  not swapped: the spare hash has another number of tasks, because it expired or Redis lost data
local shown, spare, swap = KEYS[1], KEYS[2], KEYS[3]
local tasks = redis.call('HLEN', spare)
if tasks ~= tonumber(ARGV[3]) then return 0 end
local was_shown = redis.call('EXISTS', shown) == 1
if was_shown then redis.call('RENAME', shown, swap) end
if tasks > 0 then
  redis.call('RENAME', spare, shown)
  redis.call('EXPIRE', shown, ARGV[1])
end
if was_shown then
  redis.call('RENAME', swap, spare)
  redis.call('EXPIRE', spare, ARGV[2])
end
return 1
