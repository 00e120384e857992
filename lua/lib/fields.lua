-- fields(key, …): these fields of a task's hash; false for a field that does not exist, and no values at all if the key is
-- not a hash. Raises any other error, as field does.
local function fields(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if not values.err then return values end
  if string.find(values.err, 'WRONGTYPE', 1, true) then return {} end
  return redis.call('HMGET', key, ...)
end
