-- dequeue(pending, active, lease, paused, prefix, most, lease_secs, owner): moves up to `most` of the
-- oldest pending tasks to active, under leases of so many seconds in the name of `owner`. Drops ids whose
-- hash is gone, and such as are active already. Returns {"paused"} | {"ok", number of ids dropped, id,
-- msg, id, msg …}, oldest first.
local function dequeue(pending, active, lease, paused, prefix, most, lease_secs, owner)
  local call, try, LONG = redis.call, redis.pcall, string.rep('-', 65)
  if call('EXISTS', paused) == 1 then return { 'paused' } end

  local want, dropped = tonumber(most), 0
  local reply, n = { 'ok', 0 }, 2
  -- numbers as text: Redis would print them as floats, which takes as long as a small command
  local format = string.format
  local expires_at
  while want > 0 do
    local ids = call('LRANGE', pending, format('%d', -want), '-1')
    if #ids == 0 then break end
    -- Redis' own time, asked for only where there is something to lease
    expires_at = expires_at or format('%d', call('TIME')[1] + lease_secs)
    local taken, keys, msgs, leases, t = {}, {}, {}, {}, 0
    for i = #ids, 1, -1 do
      local id, key = ids[i], prefix .. ids[i]
      -- field(), without a call for each task
      local msg = try('HGET', key, 'msg')
      if msg and msg.err then msg = field(key, 'msg') end
      if msg then
        t = t + 1
        taken[t], keys[t], msgs[t] = id, key, msg
        leases[2 * t - 1], leases[2 * t] = expires_at, id
      else
        dropped = dropped + 1
      end
    end
    if t > 0 then
      -- the first write: refused as a whole when Redis is out of memory, or the key is of a wrong type
      local added
      if t < 16 then
        added = call('ZADD', lease, unpack(leases))
      else
        -- Redis keeps a sorted set of up to 128 short members as one block, and goes through it twice
        -- for each new one. A long member makes it a tree, which it stays until it is empty.
        added = call('ZADD', lease, expires_at, LONG, unpack(leases)) - 1
        call('ZREM', lease, LONG)
      end
      if added < t then
        -- An id that has a lease already is active, or twice in the list: it is run once.
        local once, all = {}, t
        t = 0
        for i = 1, all do
          local id = taken[i]
          if once[id] or call('LPOS', active, id) then
            dropped = dropped + 1
          else
            t = t + 1
            once[id], taken[t], keys[t], msgs[t] = true, id, keys[i], msgs[i]
          end
        end
        for i = t + 1, all do taken[i] = nil end
      end
    end
    if t > 0 then
      local pushed = try('LPUSH', active, unpack(taken))
      if type(pushed) == 'table' then
        call('ZREM', lease, unpack(taken))
        return pushed
      end
    end
    call('LTRIM', pending, '0', format('%d', -#ids - 1))
    for i = 1, t do
      call('HSET', keys[i], 'state', 'active', 'rasynq_owner', owner)
      call('HDEL', keys[i], 'pending_since')
      reply[n + 1], reply[n + 2] = taken[i], msgs[i]
      n = n + 2
    end
    want = want - t
  end
  reply[2] = dropped
  return reply
end
