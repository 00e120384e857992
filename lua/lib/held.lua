-- held(key, id, owner, original, active): takes task `id` out of `active` if the caller still holds it.
-- The hash says who fetched it last; with `original` not '' its stored message must also be that
-- one, which tells a task that a Go worker has taken meanwhile (Go leaves the owner as it was).
-- Nothing is written unless all of this is so. Returns whether it is.
local function held(key, id, owner, original, active)
  if field(key, 'rasynq_owner') ~= owner then return false end
  if original ~= '' and field(key, 'msg') ~= original then return false end
  -- the tail holds those that were fetched first, which tend to end first; the count as text, for a
  -- number would be printed anew for each task
  return redis.call('LREM', active, '-1', id) == 1
end
