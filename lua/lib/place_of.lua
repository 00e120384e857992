-- place_of(id, group, places, group_prefix, registries): the key of the list or set that has the task `id`; nil if none
-- has. `places` are keys of lists and sets, `group` is the name of the task's group or false, `registries` are the
-- keys of the sets that list aggregation sets.
--
-- The caller has walked through the lists and all aggregation sets. So only what has come since then is searched: both
-- ends of a list, and the sets with the latest deadlines. For a list, the caller compares the trace of the task too.
local NEAR_ENDS, NEWEST_SETS = 20000, -1000

local new_sets
local function place_of(id, group, places, group_prefix, registries)
  for _, key in ipairs(places) do
    if is_in(key, id, NEAR_ENDS) then return key end
  end
  if not group then return nil end
  local own = group_prefix .. group
  if is_in(own, id) then return own end
  if not new_sets then
    new_sets = {}
    for _, registry in ipairs(registries) do
      local sets = redis.pcall('ZRANGE', registry, NEWEST_SETS, -1)
      for _, set in ipairs(sets.err and {} or sets) do new_sets[#new_sets + 1] = set end
    end
  end
  for _, set in ipairs(new_sets) do
    if string.sub(set, 1, #own + 1) == own .. ':' and is_in(set, id) then return set end
  end
end
