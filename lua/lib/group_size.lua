-- group_size(key): how many tasks wait in a group; 0 if the key is no sorted set, so that one broken key does not hide
-- all other groups. Raises any other error.
local function group_size(key)
  local size = redis.pcall('ZCARD', key)
  if type(size) ~= 'table' then return size end
  if string.find(size.err, 'WRONGTYPE', 1, true) then return 0 end
  return redis.call('ZCARD', key)
end
