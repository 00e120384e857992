-- Adds entries to the list that a scheduler prepares, and shows the list once it is complete.
--
-- KEYS[1] asynq:schedulers:{host:pid:uuid}, the list that is shown
-- KEYS[2] rasynq:schedulers:{host:pid:uuid}, the list in preparation
-- ARGV[1] time to live of the lists (s)
-- ARGV[2] how many entries are prepared already; 0 begins a new list
-- ARGV[3] 1 if the list is complete with these entries, otherwise 0
-- ARGV[4…] the entries (SchedulerEntry)
-- Replies one of
--   1  added
--   0  nothing is changed: another number of entries is prepared, because Redis lost data or somebody else has
--      prepared a list
local shown, spare = KEYS[1], KEYS[2]
local first_entry = 4
local call = redis.call
if ARGV[2] == '0' then
  call('UNLINK', spare)
elseif call('LLEN', spare) ~= tonumber(ARGV[2]) then
  return 0
end
for i = first_entry, #ARGV do call('LPUSH', spare, ARGV[i]) end
if ARGV[3] ~= '1' then
  call('EXPIRE', spare, ARGV[1])
  return 1
end
call('UNLINK', shown)
if call('EXISTS', spare) == 1 then
  call('RENAME', spare, shown)
  call('EXPIRE', shown, ARGV[1])
end
return 1
