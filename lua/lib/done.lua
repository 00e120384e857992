-- done(active, lease, prefix, range, first): deletes the tasks that ARGV lists from index `first` on, in the
-- form of ARGV[4…] of done.lua. `range` is ARGV[3] of done.lua. Returns the reply of done.lua, and how many tasks
-- were deleted. The caller adds this number to the counters.

-- `left` tasks were not in active. Drops them from `ids` and `keys`, and marks them in `lost`. They no longer
-- belong to their runs, so their hashes stay. If a call lists an id twice, its last
-- entry counts as missing.
local function drop_missing(ids, keys, indexes, lost, left, missing)
  for k = #ids, 1, -1 do
    if left == 0 then return end
    local id = ids[k]
    if missing[id] > 0 then
      missing[id], left, lost[indexes[k]] = missing[id] - 1, left - 1, true
      table.remove(ids, k)
      table.remove(keys, k)
    end
  end
end

local function done(active, lease, prefix, range, first)
  local call, try = redis.call, redis.pcall
  -- All listed tasks: ids and owner tokens, and locks by id.
  local listed, owners, locks, n = {}, {}, {}, 0
  local i = first
  while i <= #ARGV do
    -- `size` is the number of ids in this part, or "locked".
    local owner, size = ARGV[i], ARGV[i + 1]
    if size == 'locked' then
      n = n + 1
      listed[n], owners[n], locks[ARGV[i + 2]] = ARGV[i + 2], owner, ARGV[i + 3]
      i = i + 4
    else
      for j = i + 2, i + 1 + size do
        n = n + 1
        listed[n], owners[n] = ARGV[j], owner
      end
      i = i + 2 + size
    end
  end

  -- The tasks that are still owned: ids, hash keys, and index among all tasks. A key of a wrong type fails here,
  -- before the first write.
  local scores = call('ZMSCORE', lease, unpack(listed))
  local ids, keys, indexes, mine, lost = {}, {}, {}, 0, {}
  -- What the hash of an owned task contains. Tasks of one fetch have the same, unless leases were renewed.
  local owner, score, claim
  for k = 1, n do
    local id = listed[k]
    local key = prefix .. id
    if scores[k] and (scores[k] ~= score or owners[k] ~= owner) then
      owner, score = owners[k], scores[k]
      claim = owner .. '@' .. score
    end
    -- The check of owned() is inlined for the most common case, to save a function call and a command per task.
    if scores[k] and (try('HGET', key, 'rasynq_owner') == claim or owned(key, id, owner, lease)) then
      mine = mine + 1
      ids[mine], keys[mine], indexes[mine] = id, key, k
    else
      lost[k] = true
    end
  end

  local left, missing = remove_active(active, ids, tonumber(range))
  if left > 0 then drop_missing(ids, keys, indexes, lost, left, missing) end
  if next(locks) then
    for _, id in ipairs(ids) do
      local lock = locks[id]
      if lock and try('GET', lock) == id then call('DEL', lock) end
    end
  end
  if #ids > 0 then
    call('ZREM', lease, unpack(ids))
    call('DEL', unpack(keys))
  end
  if #ids == n then return n, n end
  local replies = {}
  for index = 1, n do replies[index] = lost[index] and 0 or 1 end
  return replies, #ids
end
