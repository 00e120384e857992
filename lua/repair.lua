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
-- ARGV[3] the key that is wrong, or that has the wrong entry
-- ARGV[4] the entry: id of a task, or name of a group
-- ARGV[5] prefix of task keys
-- ARGV[6] prefix of group keys
-- ARGV[7] how long a completed task without a place is kept (s); for a counter: when it expires (unix s)
-- ARGV[8] "1" if the message of the task does not decode, so that it must be archived
-- ARGV[9] the name that a group gets to be deleted
-- ARGV[10] for a task without a place: what the check has replied
-- Touches the tasks' hashes, their unique locks, asynq:{q}:g:<group>, asynq:{q}:g:<group>:<set id>, the key of ARGV[3].
-- Replies 0 if there is no such damage; otherwise, unless it was only checked, it is repaired: since when the task has
-- been pending (unix ns), "" if that is not known
-- use: now, nanos, field, is_in, place_of, is_leaked
local pending, active, lease, scheduled, retry = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local archived, completed, groups, sets, aggregated = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local deleted = KEYS[12]
local todo, key, id, prefix, group_prefix = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local call, try = redis.call, redis.pcall
local hash = prefix .. id
local has_task = try('HEXISTS', hash, 'msg') == 1
local state = has_task and field(hash, 'state') or ''
local own_group = has_task and field(hash, 'group')
local pending_since = has_task and field(hash, 'pending_since') or ''
local sets_of_state = { scheduled = scheduled, retry = retry, archived = archived, completed = completed }
-- Lists come last: an id is searched for in them.
local places = { scheduled, retry, archived, completed, active, pending }

local function set_state(to)
  call('HSET', hash, 'state', to)
  if to == 'pending' then
    if not field(hash, 'pending_since') then call('HSET', hash, 'pending_since', now_nanos) end
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
local function remove_from(place)
  if place == pending or place == active then
    call('LREM', place, 0, id)
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
  -- A list is walked through only once.
  if has_task or (todo == 'check' or key ~= pending) and not is_in(key, id) then return end
  return function()
    if key ~= pending then
      remove_from(key)
    elseif call('LREM', pending, 0, id) == 0 then
      return false
    end
    if type(try('HLEN', hash)) == 'number' then call('DEL', hash) end
  end
end

function repairs.task_without_place()
  -- A queue that is being deleted has such tasks.
  if not has_task or todo ~= 'discard' and call('EXISTS', deleted) == 1 then return end
  if todo ~= 'discard' and state == 'active' and call('ZSCORE', lease, id) then return end
  if place() then return end
  -- A long list is not walked through. Since the check, somebody else may have put the task into it.
  if todo == 'repair' and pending_since ~= ARGV[10] and call('LLEN', pending) > 2 * NEAR_ENDS then return end
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
  if not has_task or not is_in(key, id) then return end
  local in_group = string.sub(key, 1, #group_prefix) == group_prefix
  local right = in_group and 'aggregating' or string.sub(key, #string.match(key, '^.*:') + 1)
  if state == right then return end
  -- It may be where its state says as well: then it stays only there.
  local own = sets_of_state[state] or state == 'pending' and pending or state == 'active' and active
  local also = own and is_in(own, id)
  if state == 'aggregating' and own_group then also = place_of(id, own_group, {}, group_prefix, { sets, aggregated }) end
  return function()
    if also then
      remove_from(key)
    else
      set_state(right)
      if in_group then
        local group = string.sub(key, #group_prefix + 1)
        if is_in(sets, key) then group = string.match(group, '^(.*):') or group end
        call('HSET', hash, 'group', group)
      end
    end
  end
end

function repairs.active_without_lease()
  if not has_task or state ~= 'active' or call('ZSCORE', lease, id) or call('ZSCORE', KEYS[11], id) then return end
  if not is_in(active, id) then return end
  return function()
    -- The server that has it may go on, if it wrote a lease that has not expired. A Go server renews any lease.
    local written = tonumber(string.match(field(hash, 'rasynq_owner') or '', '@(%d+)$') or 0)
    call('ZADD', lease, 'NX', written > now_secs and string.format('%d', written) or now_secs, id)
  end
end

function repairs.lease_without_active()
  if not call('ZSCORE', lease, id) or is_in(active, id) then return end
  local is_lost = state == 'active' and call('EXISTS', deleted) == 0 and not place()
  return function()
    if is_lost then call('LPUSH', active, id) else call('ZREM', lease, id) end
  end
end

function repairs.empty_group()
  if call('SISMEMBER', groups, id) == 0 or try('ZCARD', group_prefix .. id) ~= 0 then return end
  return function() call('SREM', groups, id) end
end

function repairs.unlisted_group()
  local name, size = string.sub(key, #group_prefix + 1), try('ZCARD', key)
  if type(size) == 'table' or size == 0 or call('SISMEMBER', groups, name) == 1 then return end
  if is_in(sets, key) or is_in(aggregated, key) then return end
  if todo == 'discard' then
    -- New tasks may be in it only if the queue has started again.
    if call('EXISTS', pending, active, scheduled, retry, groups, sets) > 0 then return end
    return function()
      call('SADD', deleted, ARGV[9])
      call('RENAME', key, ARGV[9])
    end
  end
  return function()
    -- It may be an aggregation set. Servers put one whose deadline is over back into its group.
    local group = field(prefix .. call('ZRANGE', key, 0, 0)[1], 'group')
    if group and group ~= name and string.sub(name, 1, #group + 1) == group .. ':' then
      call('ZADD', sets, 0, key)
    else
      call('SADD', groups, name)
    end
  end
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

local repair = (repairs[ARGV[2]] or function() end)()
if not repair or todo ~= 'check' and repair() == false then return 0 end
return pending_since
