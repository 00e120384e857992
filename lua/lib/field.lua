-- field(key, name): a field of a task's hash; false if there is no such field, no such key, or
-- something that is no hash. Any other refusal is raised, so that no task is taken for gone.
local function field(key, name)
  local value = redis.pcall('HGET', key, name)
  if type(value) ~= 'table' then return value end
  if string.find(value.err, 'WRONGTYPE', 1, true) then return false end
  return redis.call('HGET', key, name)
end
