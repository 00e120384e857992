-- withdraw(active, ids, from): takes tasks out of `active`, looking first at its head ("1", the
-- youngest first) or at its tail ("-1"). Returns how many were not there, and how often each.
--
-- What ends together was fetched together, so that most of it lies close to one end: that stretch is
-- read once and written back without them, where LREM would go through the list for each.
local function withdraw(active, ids, from)
  local missing, left, head = {}, #ids, from == '1'
  for i = 1, left do missing[ids[i]] = (missing[ids[i]] or 0) + 1 end
  if left >= 16 then
    local stretch = redis.call('LRANGE', active, head and 0 or -2 * left, head and 2 * left - 1 or -1)
    local n, others, kept = #stretch, {}, 0
    for i = 1, n do
      -- in the order in which they are pushed back
      local id = stretch[head and n + 1 - i or i]
      local wanted = missing[id] or 0
      if wanted > 0 then
        missing[id], left = wanted - 1, left - 1
      else
        kept = kept + 1
        others[kept] = id
      end
    end
    if kept < n then
      redis.call('LTRIM', active, head and n or 0, head and -1 or -n - 1)
      if kept > 0 then redis.call(head and 'LPUSH' or 'RPUSH', active, unpack(others)) end
    end
  end
  for i = 1, left > 0 and #ids or 0 do
    local id = ids[i]
    if missing[id] > 0 and redis.call('LREM', active, from, id) == 1 then
      missing[id], left = missing[id] - 1, left - 1
    end
  end
  return left, missing
end
