-- owned(key, owner, original): whether the task whose hash is `key` still belongs to the caller's run. The hash
-- must contain the caller's owner token and, unless `original` is '', a message with the SHA-1 `original`.
--
-- Callers pass `original` if the lease may have expired: a Go server may have fetched the task since then. Its
-- fetch leaves the owner token unchanged. But before that fetch, a Go recoverer has changed the message, so the
-- stored message differs from that of the caller.
local function owned(key, owner, original)
  if field(key, 'rasynq_owner') ~= owner then return false end
  return original == '' or has_message(key, original)
end
