-- is_set(key, name, prefix): whether the sorted set `key` is an aggregation set, and no group of this name. Its tasks say of
-- which group they are. If none of the first ones exists, what looks like the id of a set decides.
local function is_set(key, name, prefix)
  for _, id in ipairs(redis.call('ZRANGE', key, 0, 499)) do
    local group = field(prefix .. id, 'group')
    if group == name then return false end
    if group and string.sub(name, 1, #group + 1) == group .. ':' then return true end
  end
  return string.find(name, ':%x+%-%x+%-%x+%-%x+%-%x+$') ~= nil
end
