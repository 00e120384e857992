-- field(key, name): a field of a task's hash; false if the field or the key does not exist, or if the key is
-- not a hash. Raises any other error, so that a task is never taken for deleted by mistake.
local function field(key, name)
  local value = redis.pcall('HGET', key, name)
  if type(value) ~= 'table' then return value end
  if string.find(value.err, 'WRONGTYPE', 1, true) then return false end
  return redis.call('HGET', key, name)
end
