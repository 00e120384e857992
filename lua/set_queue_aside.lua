-- Sets the tasks of a queue aside for deletion, so that the next task that is enqueued starts a new queue.
-- The lists and sets get other names and are noted in rasynq:{q}:deleted. Pause, counters and owners are deleted.
--
-- A queue with many groups is set aside in several calls: the groups first, and in the last call all the rest at once.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:lease
-- KEYS[4] asynq:{q}:scheduled
-- KEYS[5] asynq:{q}:retry
-- KEYS[6] asynq:{q}:archived
-- KEYS[7] asynq:{q}:completed
-- KEYS[8] asynq:{q}:groups
-- KEYS[9] asynq:{q}:aggregation_sets
-- KEYS[10] rasynq:{q}:aggregated
-- KEYS[11] asynq:{q}:deadlines
-- KEYS[12] asynq:{q}:paused
-- KEYS[13] asynq:{q}:processed
-- KEYS[14] asynq:{q}:failed
-- KEYS[15] rasynq:{q}:owners
-- KEYS[16] rasynq:{q}:deleted
-- ARGV[1] "1" if the queue may have tasks that are not active, otherwise "0"
-- ARGV[2] prefix of group keys
-- ARGV[3] prefix of the names that the lists and sets get, new with each call
-- ARGV[4] how many groups, and how many aggregation sets, one call sets aside at most
-- ARGV[5…] 1 per counter of a day: its key
-- Touches asynq:{q}:g:<group>, asynq:{q}:g:<group>:<set id>, the counters of days.
-- Replies one of
--   {"active", tasks}     nothing is done: so many tasks are active
--   {"not_empty", tasks}  nothing is done: there are at least so many tasks
--   {"part", tasks}       groups or sets with so many tasks are set aside, call again
--   {"all", tasks}        all the rest, with so many tasks, is set aside
local pending, active, groups, sets, aggregated, deleted = KEYS[1], KEYS[2], KEYS[8], KEYS[9], KEYS[10], KEYS[16]
local group_prefix, aside, most = ARGV[2], ARGV[3], tonumber(ARGV[4])
local first_counter = 5
local call, try = redis.call, redis.pcall
local places = { pending = pending, scheduled = KEYS[4], retry = KEYS[5], archived = KEYS[6], completed = KEYS[7] }

-- How many tasks a list or a set has. A key of another type counts as one that only force deletes.
local function size_of(key)
  local size = try((key == pending or key == active) and 'LLEN' or 'ZCARD', key)
  return type(size) == 'number' and size or ARGV[1] == '1' and 0 or 1
end
local wrong = 0
local function members(...)
  local found = try(...)
  if not found.err then return found end
  wrong = 1
  return {}
end

local tasks, is_active = 0, size_of(active)
for _, key in pairs(places) do tasks = tasks + size_of(key) end
-- A few groups and sets more than asked for: then all is not set aside by this call.
local names = members('SRANDMEMBER', groups, most + 1)
local set_keys = members('ZRANGE', sets, 0, most)
-- Large sets that are aggregated already, whose tasks are being deleted.
local old_sets = members('ZRANGE', aggregated, 0, most)
local is_part = #names > most or #set_keys > most or #old_sets > most
local grouped = 0
for _, name in ipairs(names) do grouped = grouped + size_of(group_prefix .. name) end
for _, set in ipairs(set_keys) do grouped = grouped + size_of(set) end
if ARGV[1] ~= '1' then
  local all = tasks + is_active + grouped + wrong
  if all > 0 then return { 'not_empty', all } end
elseif is_active > 0 then
  return { 'active', is_active }
end

-- If memory is full, Redis refuses the first write that needs memory, unless the script has removed something before.
call('UNLINK', KEYS[15])
if type(try('SCARD', deleted)) == 'table' then call('UNLINK', deleted) end
local function set_aside(key, name)
  if string.sub(key, 1, #group_prefix) ~= group_prefix and places[name] ~= key then return end
  if call('EXISTS', key) == 0 then return end
  call('SADD', deleted, aside .. name)
  call('RENAME', key, aside .. name)
end
for _, name in ipairs(names) do set_aside(group_prefix .. name, 'g:' .. name) end
for _, keys in ipairs({ set_keys, old_sets }) do
  for _, set in ipairs(keys) do set_aside(set, 's:' .. string.sub(set, #group_prefix + 1)) end
end
if is_part then
  -- unpack takes a few thousand values.
  if #names > 0 then call('SREM', groups, unpack(names)) end
  if #set_keys > 0 then call('ZREM', sets, unpack(set_keys)) end
  if #old_sets > 0 then call('ZREM', aggregated, unpack(old_sets)) end
  return { 'part', grouped }
end
for name, key in pairs(places) do set_aside(key, name) end
call('UNLINK', groups, sets, aggregated, active, KEYS[3], KEYS[11], KEYS[12], KEYS[13], KEYS[14])
for i = first_counter, #ARGV do call('UNLINK', ARGV[i]) end
return { 'all', tasks + grouped }
