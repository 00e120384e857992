-- Looks for tasks without a place, unlisted groups, leaked locks and stale keys among some keys of one queue.
--
-- KEYS[1] asynq:{q}:scheduled
-- KEYS[2] asynq:{q}:retry
-- KEYS[3] asynq:{q}:archived
-- KEYS[4] asynq:{q}:completed
-- KEYS[5] asynq:{q}:groups
-- KEYS[6] asynq:{q}:aggregation_sets
-- KEYS[7] rasynq:{q}:aggregated
-- ARGV[1] pattern of all keys of the queue
-- ARGV[2] the cursor; at first "0"
-- ARGV[3] how many keys of Redis to look at, about
-- ARGV[4] prefix of task keys
-- ARGV[5] prefix of group keys
-- ARGV[6] prefix of unique locks
-- ARGV[7] prefix of the counters of tasks that were processed on a day
-- ARGV[8] the same for tasks that failed
-- Reads all keys of the queue that the pattern finds.
-- Replies {next, word, key, detail, …}: where to go on, "" at the end; and 3 for each key that may be damaged, of these
-- forms
--   "task" id trace        the task is not in the set of its state. If its state is "pending" or "active", this says
--                          nothing: whether a list has the task is not looked up. The trace begins with the state
--   "ghost" id ""          the hash has no message
--   "group" key ""         the group, or the aggregation set, is not listed
--   "lock" key holder      the lock is held for nobody
--   "counter" key ""       the counter of a day has no time to live
--   "wrong_type" key type  this key has another type than it should
-- use: field, is_in, is_leaked, trace_of
local sets = { scheduled = KEYS[1], retry = KEYS[2], archived = KEYS[3], completed = KEYS[4] }
local groups, listed_sets, aggregated = KEYS[5], KEYS[6], KEYS[7]
local prefix, group_prefix, lock_prefix = ARGV[4], ARGV[5], ARGV[6]
local call, try = redis.call, redis.pcall
local page = call('SCAN', ARGV[2], 'MATCH', ARGV[1], 'COUNT', ARGV[3])
local reply, n = { page[1] == '0' and '' or page[1] }, 1
local function add(word, key, detail)
  reply[n + 1], reply[n + 2], reply[n + 3] = word, key, detail
  n = n + 3
end
-- Notes a key for which a command has failed because of its type.
local function wrong(key, failure)
  if string.find(failure.err, 'WRONGTYPE', 1, true) then add('wrong_type', key, call('TYPE', key).ok) end
end
local function rest(key, start) return string.sub(key, 1, #start) == start and string.sub(key, #start + 1) end

for _, key in ipairs(page[2]) do
  local id, name = rest(key, prefix), rest(key, group_prefix)
  if id then
    local found = try('HEXISTS', key, 'msg')
    if found == 0 then
      add('ghost', id, '')
    elseif found == 1 then
      local fields = call('HMGET', key, 'state', 'group')
      local state, group = fields[1] or '', fields[2]
      local set = sets[state] or state == 'aggregating' and group and group_prefix .. group
      if not set or not is_in(set, id) then add('task', id, trace_of(key)) end
    else
      wrong(key, found)
    end
  elseif rest(key, lock_prefix) then
    local holder = try('GET', key)
    if type(holder) == 'table' then
      wrong(key, holder)
    elseif holder and is_leaked(key, holder, prefix) then
      add('lock', key, holder)
    end
  elseif name then
    local size = try('ZCARD', key)
    local listed = try('SISMEMBER', groups, name) == 1 or is_in(listed_sets, key) or is_in(aggregated, key)
    if type(size) == 'table' then
      wrong(key, size)
    elseif size > 0 and not listed then
      add('group', key, '')
    end
  elseif rest(key, ARGV[7]) or rest(key, ARGV[8]) then
    local size = try('STRLEN', key)
    if type(size) == 'table' then
      wrong(key, size)
    elseif call('TTL', key) == -1 then
      add('counter', key, '')
    end
  end
end
return reply
