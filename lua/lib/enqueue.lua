-- enqueue(pending, scheduled, groups, queues, prefix, group_prefix, queue, repeated, args, first_task): stores the
-- tasks args[first_task…], which have the form that enqueue.lua states, in the queue named `queue`. `queues` is
-- asynq:queues, or nil. `repeated`: an earlier attempt of the call may have stored the tasks. Returns the reply of
-- enqueue.lua.
local function enqueue(pending, scheduled, groups, queues, prefix, group_prefix, queue, repeated, args, first_task)
  local call, try = redis.call, redis.pcall
  -- Register the queue with every call: another client may just have deleted it.
  local registered = queues and try('SADD', queues, queue)
  if type(registered) == 'table' then
    registered.err = registered.err .. ': SADD ' .. queues
    return registered
  end

  -- The ids of stored pending tasks. All of them are pushed at once, after the loop.
  local pending_ids, pending_count = {}, 0
  -- By index of the task: replies other than 1, and whether the task is stored in a state other than pending.
  local replies, not_pending, all_stored = {}, {}, true
  -- By hash key: whether this call or an earlier attempt has stored the task, because a call may name an id twice.
  -- Tasks of parts that are `all_new` are not entered: their hashes are found by EXISTS.
  local stored = {}
  -- `remaining`: how many tasks of the current part follow. `all_new`: none of its ids exists in Redis.
  local n, remaining, all_new = 0, 0, false
  local i = first_task
  -- One long loop, for speed: as a rule it calls no Lua function per task.
  while i <= #args do
    local id, msg, key, state, at, group, lock, ttl
    if remaining == 0 and args[i] == 'more' then
      id, msg, state, at, group, lock, ttl = unpack(args, i + 1, i + 7)
      key = prefix .. id
      if lock == '' then lock = nil end
      all_new = false
      i = i + 8
    else
      if remaining == 0 then
        all_new = false
        remaining = tonumber(args[i + 1])
        i = i + 2
        if not repeated then
          -- Usually all ids are new. One EXISTS for all of them replaces one for each.
          local keys = {}
          for k = 1, remaining do keys[k] = prefix .. args[i + 2 * k - 2] end
          all_new = call('EXISTS', unpack(keys)) == 0
        end
      end
      id, msg, state = args[i], args[i + 1], 'pending'
      key = prefix .. id
      remaining = remaining - 1
      i = i + 2
    end
    n = n + 1

    -- Check whether the task may be stored, and acquire its lock.
    local reply
    if not all_new then
      local found = repeated and field(key, 'msg')
      local holder = not found and lock and try('GET', lock)
      if stored[key] then
        reply = 0
      elseif found then
        reply, stored[key] = { -3, found }, true
      elseif type(holder) == 'string' then
        reply = { -1, holder }
      elseif holder then
        reply = string.find(holder.err, 'WRONGTYPE', 1, true) and { -1, '' } or { -2, holder.err }
      elseif call('EXISTS', key) == 1 then
        reply = 0
      end
      if not reply and lock then
        local acquired = try('SET', lock, id, 'EX', ttl)
        if acquired.err then reply = { -2, acquired.err } end
      end
    end

    -- Store the task. The writes that Redis may refuse come first. If Redis refuses one, the lock must be released,
    -- and a group that was added for the task must be removed. A pending task gets its hash now, and is pushed after
    -- the loop. If Redis refuses the push, the hash and the lock are deleted there.
    if not reply then
      local written
      if state == 'pending' then
        written = try('HSET', key, 'msg', msg, 'state', 'pending', 'pending_since', now_nanos)
      elseif state == 'scheduled' then
        if string.sub(at, 1, 1) == '+' then at = due(string.sub(at, 2)) end
        written = try('ZADD', scheduled, at, id)
      else
        written = try('SADD', groups, group)
        if type(written) ~= 'table' then
          local is_new = written == 1
          written = try('ZADD', group_prefix .. group, now_secs, id)
          if type(written) == 'table' and is_new then call('SREM', groups, group) end
        end
      end
      if written ~= 3 and type(written) == 'table' then
        local refused_key = state == 'pending' and key or state == 'scheduled' and scheduled or groups
        reply = { -2, written.err .. ': ' .. refused_key }
        if lock then call('DEL', lock) end
      elseif all_new then
        pending_count = pending_count + 1
        pending_ids[pending_count] = id
      else
        stored[key] = true
        if state == 'pending' then
          pending_count = pending_count + 1
          pending_ids[pending_count] = id
        else
          not_pending[n] = true
          call('HSET', key, 'msg', msg, 'state', state)
        end
        if lock then call('HSET', key, 'unique_key', lock) end
        if state == 'aggregating' then
          call('HSET', key, 'group', group)
        elseif state == 'scheduled' and group ~= '' then
          -- Not in the field `group`: a Go forwarder would then add the task to a group that asynq:{q}:groups
          -- does not list, where no aggregator finds it.
          call('HSET', key, 'rasynq_group', group)
        end
      end
    end
    if reply then replies[n], all_stored = reply, false end
  end

  local pushed = pending_count > 0 and try('LPUSH', pending, unpack(pending_ids))
  if type(pushed) == 'table' then
    -- Redis refused the push: delete the hashes and the locks of the pending tasks.
    local k = 1
    for index = 1, n do
      if not replies[index] and not not_pending[index] then
        local key = prefix .. pending_ids[k]
        local lock = field(key, 'unique_key')
        if lock then call('DEL', lock) end
        call('DEL', key)
        replies[index], all_stored = { -2, pushed.err .. ': ' .. pending }, false
        k = k + 1
      end
    end
  end
  if all_stored then return n end
  for index = 1, n do replies[index] = replies[index] or 1 end
  return replies
end
