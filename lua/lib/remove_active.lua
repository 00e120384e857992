-- remove_active(active, ids, range): removes the tasks `ids` from active. `range` says where they are
-- expected: among the n newest (n, the head of the list) or the n oldest (-n, the tail). Tasks outside the
-- range are searched for in the whole list, from the same end. Returns how many were not found at all, and a
-- table of how often each id was not found.
--
-- LREM walks the list once for each id. To read the range once, and to write it back without the ids, is cheaper
-- in two cases, unless the range has more than 4,000 tasks:
--   16 ids or more
--   3 ids or more, if they are more than half of the range
-- In a longer range, 48 ids or more are found by reading the range once, in pieces. Each is overwritten with an
-- empty text, which is no id, and one LREM removes them all. Redis may refuse LSET (memory is full, no permission):
-- then each is removed by itself.
local function remove_active(active, ids, range)
  local missing, left, at_head, size = {}, #ids, range > 0, math.abs(range)
  for i = 1, left do missing[ids[i]] = (missing[ids[i]] or 0) + 1 end
  if (left >= 16 or left >= 3 and left * 2 > size) and size > 0 and size <= 4000 then
    local first, last = string.format('%d', range), '-1'
    if at_head then first, last = '0', string.format('%d', range - 1) end
    local found = redis.call('LRANGE', active, first, last)
    local n, others, kept = #found, {}, 0
    for i = 1, n do
      -- LPUSH reverses what it is given, RPUSH does not.
      local id = found[at_head and n + 1 - i or i]
      local wanted = missing[id] or 0
      if wanted > 0 then
        missing[id], left = wanted - 1, left - 1
      else
        kept = kept + 1
        others[kept] = id
      end
    end
    if kept < n then
      -- A removal comes first: if memory is full, Redis refuses a push unless the script has written before.
      if at_head then
        redis.call('LTRIM', active, string.format('%d', n), '-1')
      else
        redis.call('LTRIM', active, '0', string.format('%d', -n - 1))
      end
      if kept > 0 then redis.call(at_head and 'LPUSH' or 'RPUSH', active, unpack(others)) end
    end
  end
  if left >= 48 and size > 4000 then
    local marked, from = 0, 0
    while left > 0 and from < size do
      local last = math.min(from + 4000, size) - 1
      local head, tail = from, last
      if not at_head then head, tail = -last - 1, -from - 1 end
      local found = redis.call('LRANGE', active, string.format('%d', head), string.format('%d', tail))
      local n = #found
      for i = 1, n do
        local id = found[at_head and i or n + 1 - i]
        if (missing[id] or 0) > 0 then
          local index = from + i - 1
          local set = redis.pcall('LSET', active, string.format('%d', at_head and index or -index - 1), '')
          if set.err then
            last = size
            break
          end
          missing[id], left, marked = missing[id] - 1, left - 1, marked + 1
        end
      end
      from = last + 1
    end
    if marked > 0 then
      redis.call('LREM', active, string.format('%d', at_head and marked or -marked), '')
    end
  end
  for i = 1, left > 0 and #ids or 0 do
    local id = ids[i]
    if missing[id] > 0 and redis.call('LREM', active, at_head and '1' or '-1', id) == 1 then
      missing[id], left = missing[id] - 1, left - 1
    end
  end
  return left, missing
end
