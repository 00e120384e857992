-- Checks one damage in a queue, and repairs it if it is still there.
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
-- KEYS[12] rasynq:{q}:deleted
-- ARGV[1] what to do: "check", "repair", or "discard" (delete what belongs to a queue that was deleted)
-- ARGV[2] the kind of the damage
-- ARGV[3] the key that is wrong, or that has the wrong member
-- ARGV[4] the member: id of a task, or name of a group
-- ARGV[5] prefix of task keys
-- ARGV[6] prefix of group keys
-- ARGV[7] how long a completed task without a place is kept (s); for a counter: when it expires (unix s)
-- ARGV[8] "1" if the message of the task does not decode, so that it must be archived
-- ARGV[9] the name that a group gets to be deleted
-- ARGV[10] for a task without a place: its trace as the walk through the keys has found it; for a key of another type: the
--         type that it should have
-- ARGV[11…] 1 per copy of the id in a list of pending tasks that is long: how many ids are at its right, and itself
-- Touches the tasks' hashes, their unique locks, asynq:{q}:g:<group>, asynq:{q}:g:<group>:<set id>, the key of ARGV[3].
-- Replies 0 if there is no such damage; otherwise 1: unless it was only checked, it is repaired
-- use: now, nanos, field, is_in, is_set, place_of, is_leaked, trace_of
local first_copy = 11
local pending, active, lease, scheduled, retry = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local archived, completed, groups, sets, aggregated = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local deleted = KEYS[12]
-- A longer list is not walked through: what the caller has found is looked up near its place. Since then the list may have
-- lost so many ids at its right end, or got so many there.
local LONG, LOST, GOT = 2 * NEAR_ENDS, 5000, 100
local todo, key, id, prefix, group_prefix = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local call, try = redis.call, redis.pcall
local hash = prefix .. id
local has_task = try('HEXISTS', hash, 'msg') == 1
local state = has_task and field(hash, 'state') or ''
local own_group = has_task and field(hash, 'group')
local sets_of_state = { scheduled = scheduled, retry = retry, archived = archived, completed = completed }
-- Lists come last: an id is searched for in them.
local places = { scheduled, retry, archived, completed, active, pending }

local function set_state(to)
  call('HSET', hash, 'state', to)
  if to == 'pending' then
    -- Always a new time: an examination that runs meanwhile sees by it that the task has moved.
    call('HSET', hash, 'pending_since', now_nanos)
    call('HDEL', hash, 'rasynq_owner')
  else
    call('HDEL', hash, 'pending_since')
  end
end
local function add_to_group(group)
  call('SADD', groups, group)
  call('ZADD', group_prefix .. group, now_secs, id)
  set_state('aggregating')
  call('HSET', hash, 'group', group)
end
local function is_long(list) return list == pending and call('LLEN', list) > LONG end
-- Where the id is in a list: its indexes, in ascending order.
local function indexes_in(list)
  if not is_long(list) then return call('LPOS', list, id, 'COUNT', 0) or {} end
  local length, seen, indexes = call('LLEN', list), {}, {}
  for i = first_copy, #ARGV do
    local index = length - ARGV[i]
    local start = math.max(0, index - GOT)
    for at, other in ipairs(call('LRANGE', list, start, math.max(0, index + LOST))) do
      local found = start + at - 1
      if other == id and not seen[found] then
        seen[found] = true
        indexes[#indexes + 1] = found
      end
    end
  end
  table.sort(indexes)
  return indexes
end
local function is_listed(list)
  if list ~= pending then return is_in(list, id) end
  return #indexes_in(list) > 0
end
-- Removes what is at these indexes. Of a long list only one is removed: the caller repeats. Redis walks to it from the
-- nearer end.
local function remove_at(list, indexes)
  local length = call('LLEN', list)
  for i = #indexes, is_long(list) and #indexes or 1, -1 do
    call('LSET', list, indexes[i], 'rasynq:removed')
    call('LREM', list, indexes[i] < length / 2 and 1 or -1, 'rasynq:removed')
  end
end
local function has_type(command, key) return type(try(command, key)) == 'number' end
local function lend()
  -- The server that has the task may go on, if it wrote a lease that has not expired. A Go server renews any lease.
  local written = tonumber(string.match(field(hash, 'rasynq_owner') or '', '@(%d+)$') or 0)
  call('ZADD', lease, 'NX', written > now_secs and string.format('%d', written) or now_secs, id)
end
local function remove_from(place)
  if place == pending or place == active then
    remove_at(place, indexes_in(place))
    if place == active then call('ZREM', lease, id) end
  else
    call('ZREM', place, id)
    local name = string.sub(place, 1, #group_prefix) == group_prefix and string.sub(place, #group_prefix + 1)
    if name and call('EXISTS', place) == 0 then
      call('SREM', groups, name)
      call('ZREM', sets, place)
    end
  end
end
local function place() return place_of(id, own_group, places, group_prefix, { sets, aggregated }) end
local function unlocked()
  local lock = field(hash, 'unique_key')
  if lock and try('GET', lock) == id then call('DEL', lock) end
end

-- For each kind: returns what repairs the damage, or nothing if there is none.
local repairs = {}

function repairs.id_without_task()
  if has_task or not is_listed(key) then return end
  return function()
    remove_from(key)
    if type(try('HLEN', hash)) == 'number' then call('DEL', hash) end
  end
end

function repairs.listed_twice()
  local indexes = has_task and indexes_in(key) or {}
  if #indexes < 2 then return end
  return function()
    -- The one that is fetched first stays.
    indexes[#indexes] = nil
    remove_at(key, indexes)
  end
end

function repairs.task_without_place()
  -- A queue that is being deleted has such tasks.
  if not has_task or todo ~= 'discard' and call('EXISTS', deleted) == 1 then return end
  -- Since it was found it may have gone into a list, where the walks did not see it.
  if trace_of(hash) ~= ARGV[10] then return end
  if todo ~= 'discard' and state == 'active' and is_in(lease, id) then return end
  if place() or #ARGV >= first_copy then return end
  -- If its place is a key of another type, that is the damage.
  local home = ARGV[8] == '1' and archived or sets_of_state[state]
  if not home and state == 'aggregating' and own_group then
    if not has_type('SCARD', groups) or not has_type('ZCARD', sets) then return end
    home = group_prefix .. own_group
  end
  if todo ~= 'discard' and not has_type(home and 'ZCARD' or 'LLEN', home or pending) then return end
  if state == 'active' and not has_type('LLEN', active) then return end
  if todo == 'discard' then
    return function()
      unlocked()
      call('DEL', hash)
      call('ZREM', lease, id)
    end
  end
  return function()
    if ARGV[8] == '1' then
      call('ZADD', archived, now_secs, id)
      set_state('archived')
    elseif state == 'completed' then
      call('ZADD', completed, now_secs + tonumber(ARGV[7]), id)
    elseif sets_of_state[state] then
      call('ZADD', sets_of_state[state], now_secs, id)
    elseif state == 'aggregating' and own_group then
      add_to_group(own_group)
    else
      call('LPUSH', pending, id)
      set_state('pending')
    end
  end
end

function repairs.wrong_state()
  if not has_task or not is_listed(key) then return end
  local in_group = string.sub(key, 1, #group_prefix) == group_prefix
  local right = in_group and 'aggregating' or string.sub(key, #string.match(key, '^.*:') + 1)
  if state == right then return end
  -- It may be where its state says as well: then it stays only there.
  local own = sets_of_state[state] or state == 'pending' and pending or state == 'active' and active
  local also = own and is_listed(own)
  if state == 'aggregating' and own_group then also = place_of(id, own_group, {}, group_prefix, { sets, aggregated }) end
  return function()
    if also then
      remove_from(key)
    else
      set_state(right)
      if right == 'active' then lend() end
      if in_group then
        local group = string.sub(key, #group_prefix + 1)
        if is_in(sets, key) or is_set(key, group, prefix) then group = string.match(group, '^(.*):') or group end
        call('HSET', hash, 'group', group)
      end
    end
  end
end

function repairs.active_without_lease()
  if not has_task or state ~= 'active' or call('ZSCORE', lease, id) or call('ZSCORE', KEYS[11], id) then return end
  if not is_in(active, id) then return end
  return lend
end

function repairs.lease_without_active()
  if not is_in(lease, id) or is_in(active, id) or not has_type('LLEN', active) then return end
  local is_lost = state == 'active' and call('EXISTS', deleted) == 0 and not place()
  return function()
    if is_lost then call('LPUSH', active, id) else call('ZREM', lease, id) end
  end
end

function repairs.empty_group()
  if call('SISMEMBER', groups, id) == 0 or try('ZCARD', group_prefix .. id) ~= 0 then return end
  return function() call('SREM', groups, id) end
end

-- Whether a group of this name, or this aggregation set, has tasks and is not listed.
local function is_unlisted(name)
  local size = try('ZCARD', key)
  if type(size) == 'table' or size == 0 or not has_type('ZCARD', sets) then return false end
  return try('SISMEMBER', groups, name) == 0 and not is_in(sets, key) and not is_in(aggregated, key)
end

function repairs.unlisted_group()
  local name = string.sub(key, #group_prefix + 1)
  if not is_unlisted(name) then return end
  if todo == 'discard' then
    -- New tasks may be in it only if the queue has started again.
    if call('EXISTS', pending, active, scheduled, retry, groups, sets) > 0 then return end
    return function()
      call('SADD', deleted, ARGV[9])
      call('RENAME', key, ARGV[9])
    end
  end
  if is_set(key, name, prefix) ~= false then return end
  return function() call('SADD', groups, name) end
end

function repairs.unlisted_set()
  local name = string.sub(key, #group_prefix + 1)
  if todo == 'discard' or not is_unlisted(name) or not is_set(key, name, prefix) then return end
  -- The caller then puts it back into its group. A server does that too if its deadline is over.
  return function() call('ZADD', sets, 0, key) end
end

function repairs.wrong_type()
  local found = call('TYPE', key).ok
  if todo ~= 'discard' or found == 'none' or found == ARGV[10] then return end
  return function() call('UNLINK', key) end
end

function repairs.leaked_lock()
  local holder = try('GET', key)
  if type(holder) ~= 'string' or not is_leaked(key, holder, prefix) then return end
  return function() call('DEL', key) end
end

function repairs.ghost_task()
  if try('HEXISTS', hash, 'msg') ~= 0 or call('EXISTS', hash) == 0 or place() then return end
  return function() call('DEL', hash) end
end

function repairs.stale_key()
  if key == sets then
    -- An aggregation set that does not exist.
    local deadline = call('ZSCORE', sets, id)
    if not deadline or tonumber(deadline) > now_secs then return end
    if string.sub(id, 1, #group_prefix) == group_prefix and call('EXISTS', id) == 1 then return end
    return function() call('ZREM', sets, id) end
  elseif call('TTL', key) == -1 then
    return function() call('EXPIREAT', key, ARGV[7]) end
  end
end

local repair = repairs[ARGV[2]]()
if not repair then return 0 end
if todo ~= 'check' then repair() end
return 1
