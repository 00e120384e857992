-- Runs, archives, deletes or reschedules tasks of one queue that are not active.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:retry
-- KEYS[4] asynq:{q}:archived
-- KEYS[5] asynq:{q}:completed
-- KEYS[6] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] what to do: "run", "archive", "delete", "reschedule"
-- ARGV[4] the states that the tasks may be in, each between commas: ",scheduled,retry,"
-- ARGV[5] the group that the tasks must be in; "" for any
-- ARGV[6] archive: up to how many tasks the archive may grow; reschedule: when the tasks are due (unix s)
-- ARGV[7] how far the positions of pending tasks have shifted since they were read
-- ARGV[8] budget (bytes): the messages that the call reads have no more, but it may always read one
-- ARGV[9…] 2 per task, at most 500 (unpack takes a few thousand values): id seen
--   seen   where the task was seen; "" if that is not known. Of a pending task its position: how many tasks are
--          fetched before it. Of another task its score, in whole seconds
-- Touches the tasks' hashes, asynq:{q}:g:<group>, and the locks of deleted or rescheduled tasks. Archiving deletes the
-- oldest archived tasks, with their hashes.
-- Replies {shift, trimmed, …}: ARGV[7] as it is now, how many archived tasks were deleted, and per task one of
--   1         changed
--   0         there is no such task
--   2         not changed: the budget is used up
--   3         not changed: it is pending, but at another position; or that is not known, and the list is too long to
--             search it
--   state     not changed: it is in this state, or in another group, or has come back into its state with another score
--   "-" state not changed: its hash names this state, but it is not in the list or set of this state
-- use: now, nanos, field, fields, message_lock, take_pending, trim_archive
local pending, archived, groups = KEYS[1], KEYS[4], KEYS[6]
local sets = { scheduled = KEYS[2], retry = KEYS[3], archived = archived, completed = KEYS[5] }
local prefix, group_prefix, action, allowed, wanted_group = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local budget = tonumber(ARGV[8])
local first_task = 9
local call, try = redis.call, redis.pcall
-- Keys of a wrong type fail here, before the first write.
call('LLEN', pending)
call('SCARD', groups)
for state, set in pairs(sets) do
  if string.find(allowed, ',' .. state .. ',', 1, true) or set == archived and action == 'archive' then
    call('ZCARD', set)
  end
end

-- The lock of a task, "" for none, and the bytes that were read. The hash of a unique task that a Go client has added to a
-- group does not name its lock, only the message does.
local read_any = false
local function lock_of(key, group, lock)
  if lock or not group then return lock or '' end
  local size = call('HSTRLEN', key, 'msg')
  if read_any and size > budget then return nil end
  read_any, budget = true, budget - size
  return message_lock(field(key, 'msg') or '') or ''
end

-- What this call may change: by place, and all of it in the order of the call.
local replies, tasks, waiting = {}, {}, {}
local members, group_names = {}, {}
local function leave(set, task)
  members[set] = members[set] or {}
  table.insert(members[set], task.id)
end
for i = first_task, #ARGV, 2 do
  local id, key = ARGV[i], prefix .. ARGV[i]
  local index = (i - first_task) / 2 + 1
  local stored = fields(key, 'state', 'group', 'unique_key')
  local state, group = stored[1], stored[2]
  local task = { id = id, key = key, index = index, state = state, group = group, seen = ARGV[i + 1] }
  if not state or action ~= 'delete' and call('HEXISTS', key, 'msg') == 0 then
    replies[index] = 0
  elseif not string.find(allowed, ',' .. state .. ',', 1, true)
    or wanted_group ~= '' and group ~= wanted_group then
    replies[index] = state
  else
    local set = sets[state]
    if state == 'aggregating' then set = group_prefix .. (group or '') end
    -- The key of a group may have a wrong type.
    local score = set and try('ZSCORE', set, id)
    if set and (not score or type(score) == 'table') then
      replies[index] = '-' .. state
    elseif set and task.seen ~= '' and math.floor(tonumber(score)) ~= tonumber(task.seen) then
      replies[index] = state
    else
      task.lock = lock_of(key, group, stored[3])
      if not task.lock then
        replies[index] = 2
      elseif set then
        task.score = score
        tasks[#tasks + 1] = task
        leave(set, task)
        if state == 'aggregating' then group_names[set] = group end
      else
        waiting[#waiting + 1] = task
        tasks[#tasks + 1] = task
      end
    end
  end
end

-- The tasks leave their places. A removal comes first: after it Redis refuses nothing, even if memory is full.
local shift = tonumber(ARGV[7])
if #waiting > 0 then shift = take_pending(pending, waiting, shift) end
for set, ids in pairs(members) do
  call('ZREM', set, unpack(ids))
  if group_names[set] and call('ZCARD', set) == 0 then call('SREM', groups, group_names[set]) end
end

-- The archive grows up to its limit. One that its servers let grow further keeps its size.
local most_archived = action == 'archive' and math.max(tonumber(ARGV[6]), call('ZCARD', archived))
local ids = {}
for _, task in ipairs(tasks) do
  local key, lock = task.key, task.lock
  replies[task.index] = task.missing or 1
  if not task.missing then
    ids[#ids + 1] = task.id
    if action == 'delete' then
      if lock ~= '' and try('GET', lock) == task.id then call('DEL', lock) end
      call('DEL', key)
    elseif action == 'run' then
      call('HSET', key, 'state', 'pending', 'pending_since', now_nanos)
    elseif action == 'archive' then
      call('ZADD', archived, now_secs, task.id)
      call('HSET', key, 'state', 'archived')
    else
      local state = task.state == 'retry' and 'retry' or 'scheduled'
      call('ZADD', sets[state], ARGV[6], task.id)
      call('HSET', key, 'state', state)
      -- So much longer its lock is needed.
      local is_due = task.state == 'scheduled' or task.state == 'retry'
      local later = math.floor(ARGV[6] - (is_due and task.score or now_secs))
      if later > 0 and lock ~= '' and try('GET', lock) == task.id then
        local left = call('TTL', lock)
        if left >= 0 then try('EXPIRE', lock, left + later) end
      end
    end
    if action ~= 'delete' then
      if task.state == 'pending' then call('HDEL', key, 'pending_since') end
      if task.group then
        -- A forwarder would add it to its group again, if it runs and fails.
        call('HDEL', key, 'group')
        if lock ~= '' then call('HSET', key, 'unique_key', lock) end
      end
      if action == 'run' then call('HDEL', key, 'rasynq_group', 'rasynq_owner') end
    end
  end
end
if action == 'run' and #ids > 0 then call('LPUSH', pending, unpack(ids)) end
local trimmed = action == 'archive' and trim_excess(archived, prefix, most_archived, ids) or 0
table.insert(replies, 1, trimmed)
table.insert(replies, 1, shift)
return replies
