-- take(key, id, owner, original, active, lease, cutoff): takes task `id` out of `active` by the right
-- that the caller has: with a `cutoff` (s) a recoverer's, otherwise its own worker's. Returns whether
-- it could.
local function take(key, id, owner, original, active, lease, cutoff)
  if cutoff then return take_lapsed(key, id, original, active, lease, cutoff) end
  return take_held(key, id, owner, original, active)
end
