-- dequeue(pending, active, lease, paused, prefix, want, lease_secs, owner, budget, with_since): moves up to `want` of
-- the oldest pending tasks to active, with leases of `lease_secs` and the owner token `owner`. Their messages have at
-- most `budget` bytes together. A larger message is alone in its fetch, and the reply has its length instead. Drops
-- an id from pending if its message is gone or if it is already active. If `with_since` is '1', the reply has also the
-- time since when each task was pending. Returns the reply of dequeue.lua, or the error if Redis refuses the push to
-- active.

-- A member that turns the set of leases into a tree for the next `n` leases; nil if none is needed.
--
-- Redis keeps a sorted set of up to 128 short members as one block, and walks it twice for each new member. A member
-- of 65 bytes turns the set into a tree, and it stays one until it is empty. Ids are chosen by users, so the member
-- may be the id of a task: but if one of the new ids is as long, or the member is there already, the set becomes a
-- tree by itself, or is one.
local function long_member(lease, leases, n)
  if n < 16 then return nil end
  for i = 2, 2 * n, 2 do
    if #leases[i] > 64 then return nil end
  end
  local member = string.rep('-', 65)
  return not redis.call('ZSCORE', lease, member) and member or nil
end

-- Adds `n` leases, given as a list of score, id, score, id, … They expire at `expires_at` (unix s).
-- An id that has a lease keeps it: with another score, the run of an active task would lose it. Returns how many ids
-- had no lease. In the first round this is the first write of a fetch, apart from the removal of ids without a
-- message. If memory is full or the key has a wrong type, Redis refuses it.
local function add_leases(lease, expires_at, leases, n)
  local member = long_member(lease, leases, n)
  if not member then return redis.call('ZADD', lease, 'NX', unpack(leases)) end
  local added = redis.call('ZADD', lease, 'NX', expires_at, member, unpack(leases)) - 1
  redis.call('ZREM', lease, member)
  return added
end

-- Drops the ids that are active already, and repeated ids, from `ids`, `keys`, `msgs` and `since`. Returns how many
-- are left. Only `ids` is cut to that length.
local function drop_active(active, ids, keys, msgs, since)
  local seen, n, kept = {}, #ids, 0
  for i = 1, n do
    local id = ids[i]
    if not seen[id] and not redis.call('LPOS', active, id) then
      kept = kept + 1
      seen[id], ids[kept], keys[kept], msgs[kept], since[kept] = true, id, keys[i], msgs[i], since[i]
    end
  end
  for i = kept + 1, n do ids[i] = nil end
  return kept
end

local function dequeue(pending, active, lease, paused, prefix, want, lease_secs, owner, budget, with_since)
  local call, try = redis.call, redis.pcall
  if call('EXISTS', paused) == 1 then return { 'paused' } end

  want, budget, with_since = tonumber(want), tonumber(budget), with_since == '1'
  local dropped, reply, n = 0, { 'ok', 0 }, 2
  -- Integers are passed as text. Redis would print a number as a float, which costs as much as a small
  -- command.
  local format = string.format
  local expires_at, claim
  while want > 0 and reply[1] == 'ok' do
    local pending_ids = call('LRANGE', pending, format('%d', -want), '-1')
    if #pending_ids == 0 then break end
    -- Read the time only if there is something to lease.
    expires_at = expires_at or format('%d', call('TIME')[1] + lease_secs)
    claim = owner .. '@' .. expires_at
    local ids, keys, msgs, since, leases, taken = {}, {}, {}, {}, {}, 0
    -- How many of the ids this round takes or drops.
    local read = 0
    for i = #pending_ids, 1, -1 do
      local id, key = pending_ids[i], prefix .. pending_ids[i]
      -- field() is inlined for the case without an error, to save a function call per task.
      local msg
      if with_since then
        -- One command costs less than two.
        local both = try('HMGET', key, 'msg', 'pending_since')
        msg, since[taken + 1] = both[1], both[2] or ''
        if both.err then msg = field(key, 'msg') end
      else
        msg = try('HGET', key, 'msg')
        if msg and msg.err then msg = field(key, 'msg') end
      end
      if msg then
        local size = #msg
        if size > budget then
          -- There may be more than the budget allows.
          reply[1] = 'more'
          if taken > 0 or n > 2 then break end
          msg = size
        end
        budget = budget - size
        taken = taken + 1
        ids[taken], keys[taken], msgs[taken] = id, key, msg
        leases[2 * taken - 1], leases[2 * taken] = expires_at, id
      end
      read = read + 1
      if budget < 0 then break end
    end
    if read == 0 then break end
    -- If an id had a lease before, its task is active, or pending has the id twice, or the lease was left behind. A
    -- task must run only once.
    if taken > 0 and add_leases(lease, expires_at, leases, taken) < taken then
      taken = drop_active(active, ids, keys, msgs, since)
      for k = 1, taken do call('ZADD', lease, expires_at, ids[k]) end
    end
    if taken > 0 then
      local pushed = try('LPUSH', active, unpack(ids))
      if type(pushed) == 'table' then
        call('ZREM', lease, unpack(ids))
        return pushed
      end
    end
    call('LTRIM', pending, '0', format('%d', -read - 1))
    for i = 1, taken do
      call('HSET', keys[i], 'state', 'active', 'rasynq_owner', claim)
      call('HDEL', keys[i], 'pending_since')
      reply[n + 1], reply[n + 2] = ids[i], msgs[i]
      n = n + 2
      if with_since then
        n = n + 1
        reply[n] = since[i]
      end
    end
    dropped = dropped + read - taken
    want = want - taken
  end
  reply[2] = dropped
  return reply
end
