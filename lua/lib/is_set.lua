-- is_set(key, name, prefix): whether the sorted set `key` is an aggregation set (true), or a group of this name (false). Its
-- tasks say of which group they are. If none does, what looks like the id of a set decides; nil if none of the tasks exists.
local function is_set(key, name, prefix)
  local has_task = false
  for _, id in ipairs(redis.call('ZRANGE', key, 0, 499)) do
    local group = field(prefix .. id, 'group')
    if group == name then return false end
    if group and string.sub(name, 1, #group + 1) == group .. ':' then return true end
    has_task = has_task or redis.pcall('HEXISTS', prefix .. id, 'msg') == 1
  end
  if not has_task then return nil end
  return string.find(name, ':%x+%-%x+%-%x+%-%x+%-%x+$') ~= nil
end
