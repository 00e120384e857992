-- count_groups(groups, prefix, exact, sample): how many tasks wait in the groups of a queue, and how many groups were
-- counted for that. The groups are all counted if there are at most `exact`. Otherwise `sample` groups that are drawn
-- at random stand for all, so that a script does not walk any number of them.
local function count_groups(groups, prefix, exact, sample)
  local all = redis.call('SCARD', groups)
  local names = all <= exact and redis.call('SMEMBERS', groups) or redis.call('SRANDMEMBER', groups, sample)
  local tasks = 0
  for _, name in ipairs(names) do tasks = tasks + group_size(prefix .. name) end
  if #names < all then tasks = math.floor(tasks / #names * all + 0.5) end
  return tasks, #names
end
