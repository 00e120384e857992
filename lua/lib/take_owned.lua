-- take_owned(key, id, owner, active, lease): removes task `id` from active if the task is there and the caller
-- owns it (see owned.lua); otherwise writes nothing. Returns whether it removed the task.
--
-- If memory is full, Redis refuses writes that need memory, but only until the script has made its first write.
-- A removal needs no memory. This one must be the first write of a script, so that acknowledgements are not
-- refused even then.
local function take_owned(key, id, owner, active, lease)
  return owned(key, id, owner, lease) and redis.call('LREM', active, -1, id) == 1
end
