-- take_held(key, id, owner, original, active): takes task `id` out of `active` if the caller owns it and
-- it is there. Nothing is written otherwise. Returns whether it is so.
-- The removal stays the first write of a script: after one, Redis no longer refuses for lack of memory.
local function take_held(key, id, owner, original, active)
  return owned(key, owner, original) and redis.call('LREM', active, -1, id) == 1
end
