-- take_owned(key, id, owner, original, active): removes task `id` from active if the task is there and the
-- caller owns it (see owned.lua); otherwise writes nothing. Returns whether it removed the task.
--
-- If memory is full, Redis refuses writes that need memory until the script has written something. This removal
-- must be the first write of a script, so that acknowledgements pass even then.
local function take_owned(key, id, owner, original, active)
  return owned(key, owner, original) and redis.call('LREM', active, -1, id) == 1
end
