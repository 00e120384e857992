-- is_leaked(lock, id, prefix): whether the unique lock `lock`, whose value is the task id `id`, is held for nobody: the
-- task is gone or completed, or has another lock.
local function is_leaked(lock, id, prefix)
  local key = prefix .. id
  local found = redis.pcall('HEXISTS', key, 'msg')
  if found ~= 1 or field(key, 'state') == 'completed' then return true end
  -- Only the message may name the lock, if a Go client has added the task to a group.
  return field(key, 'unique_key') ~= lock and not string.find(field(key, 'msg'), lock, 1, true)
end
