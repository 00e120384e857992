-- held(key, id, owner, original, active, from): takes task `id` out of `active` if the caller still
-- holds it, looking from the head ("1", the youngest first) or from the tail ("-1").
-- The hash says who fetched it last; with `original` not '' its stored message must also be that
-- one, which tells a task that a Go worker has taken meanwhile (Go leaves the owner as it was).
-- Nothing is written unless all of this is so. Returns whether it is.
local function held(key, id, owner, original, active, from)
  if field(key, 'rasynq_owner') ~= owner then return false end
  if original ~= '' and field(key, 'msg') ~= original then return false end
  return redis.call('LREM', active, from, id) == 1
end
