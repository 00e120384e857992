-- owned(key, owner, original): whether the caller still holds this task, by what its hash says: who
-- fetched it last; with `original` not '' its stored message must also be that one, which tells a
-- task that a Go worker has taken meanwhile (Go leaves the owner as it was).
local function owned(key, owner, original)
  if field(key, 'rasynq_owner') ~= owner then return false end
  return original == '' or field(key, 'msg') == original
end
