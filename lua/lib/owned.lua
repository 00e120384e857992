-- owned(key, owner, original): whether the task whose hash is `key` still belongs to the caller's run. Its
-- hash must hold the caller's owner token and, unless `original` is '', the message `original`.
--
-- Callers pass `original` when the lease may have expired. A Go worker that fetches the task after that
-- leaves the owner token unchanged, but the Go recoverer before it has changed the message.
local function owned(key, owner, original)
  if field(key, 'rasynq_owner') ~= owner then return false end
  return original == '' or field(key, 'msg') == original
end
