-- withdraw(active, ids, stretch): takes tasks out of `active`. They are looked for in a stretch of so
-- many at its head (the youngest), or of minus so many at its tail; what is not there is looked for in
-- the whole list, from that end. Returns how many were not there at all, and how often each.
--
-- The stretch is read once and written back without them; LREM goes through the list for each. One of
-- more than 4,000 is not read, nor one for a few tasks, unless these are more than half of it.
local function withdraw(active, ids, stretch)
  local missing, left, head = {}, #ids, stretch > 0
  for i = 1, left do missing[ids[i]] = (missing[ids[i]] or 0) + 1 end
  if (left >= 16 or left >= 3 and left * 2 > math.abs(stretch)) and stretch ~= 0 and math.abs(stretch) <= 4000 then
    local first, last = string.format('%d', stretch), '-1'
    if head then first, last = '0', string.format('%d', stretch - 1) end
    local found = redis.call('LRANGE', active, first, last)
    local n, others, kept = #found, {}, 0
    for i = 1, n do
      -- in the order in which they are pushed back
      local id = found[head and n + 1 - i or i]
      local wanted = missing[id] or 0
      if wanted > 0 then
        missing[id], left = wanted - 1, left - 1
      else
        kept = kept + 1
        others[kept] = id
      end
    end
    if kept < n then
      if head then
        redis.call('LTRIM', active, string.format('%d', n), '-1')
      else
        redis.call('LTRIM', active, '0', string.format('%d', -n - 1))
      end
      if kept > 0 then redis.call(head and 'LPUSH' or 'RPUSH', active, unpack(others)) end
    end
  end
  for i = 1, left > 0 and #ids or 0 do
    local id = ids[i]
    if missing[id] > 0 and redis.call('LREM', active, head and '1' or '-1', id) == 1 then
      missing[id], left = missing[id] - 1, left - 1
    end
  end
  return left, missing
end
