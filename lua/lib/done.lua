-- done(active, lease, day, total, prefix, day_ends, stretch, from): ends and removes the tasks that ARGV
-- lists from there on, as lua/done.lua has it, and counts them. Returns how many they are, if all were
-- held; otherwise for each 1, or 0 if it was not.
local function done(active, lease, day, total, prefix, day_ends, stretch, from)
  local call, try = redis.call, redis.pcall
  call('ZCARD', lease)

  -- what is still owned: ids, their keys, their places among all, and locks
  local ids, keys, places, locks, mine = {}, {}, {}, {}, 0
  local n, lost = 0, {}
  local i = from
  while i <= #ARGV do
    local owner, many = ARGV[i], ARGV[i + 1]
    local first, last, original, lock = i + 2, i + 1, '', ''
    if many == 'more' then
      last, original, lock = i + 2, ARGV[i + 3], ARGV[i + 4]
      i = i + 5
    else
      last = i + 1 + many
      i = last + 1
    end
    for j = first, last do
      local id = ARGV[j]
      local key = prefix .. id
      n = n + 1
      -- The same question as in owned(), without a call for each task, as this is the way of most; what
      -- fails it is asked in full.
      if original == '' and try('HGET', key, 'rasynq_owner') == owner or owned(key, owner, original) then
        mine = mine + 1
        ids[mine], keys[mine], places[mine] = id, key, n
        if lock ~= '' then locks[id] = lock end
      else
        lost[n] = true
      end
    end
  end

  local left, missing = withdraw(active, ids, tonumber(stretch))
  -- what was not in active was not held, and keeps its hash; of an id that came twice, the last
  for k = mine, 1, -1 do
    if left == 0 then break end
    local id = ids[k]
    if missing[id] > 0 then
      missing[id], left, lost[places[k]] = missing[id] - 1, left - 1, true
      table.remove(ids, k)
      table.remove(keys, k)
    end
  end
  for _, id in ipairs(next(locks) and ids or {}) do
    local lock = locks[id]
    if lock and try('GET', lock) == id then call('DEL', lock) end
  end
  if #ids > 0 then
    call('ZREM', lease, unpack(ids))
    call('DEL', unpack(keys))
  end
  count(day, total, #ids, day_ends)
  if #ids == n then return n end
  local held = {}
  for place = 1, n do held[place] = lost[place] and 0 or 1 end
  return held
end
