-- owned(key, owner, original): whether the task whose hash is `key` still belongs to the caller's run. The hash
-- must contain the caller's owner token and, unless `original` is '', the message `original`.
--
-- Callers pass `original` if the lease may have expired: a Go server may have fetched the task since then. Its
-- fetch leaves the owner token unchanged. But before that fetch, a Go recoverer has changed the message, so the
-- stored message differs from `original`.
local function owned(key, owner, original)
  if field(key, 'rasynq_owner') ~= owner then return false end
  return original == '' or field(key, 'msg') == original
end
