-- take_owned(key, id, owner, original, active): removes task `id` from active if the caller owns it (see
-- owned.lua) and it is there; otherwise writes nothing. Returns whether it removed the task.
--
-- Out of memory, Redis refuses a script only before its first write. Keep this removal the first write of a
-- script, so that acknowledgements pass even then.
local function take_owned(key, id, owner, original, active)
  return owned(key, owner, original) and redis.call('LREM', active, -1, id) == 1
end
