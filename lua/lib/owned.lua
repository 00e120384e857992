-- owned(key, owner, original): whether the task whose hash is `key` still belongs to the caller's run. Its
-- hash must hold the caller's owner token and, unless `original` is '', the message `original`.
--
-- Callers pass `original` when the lease may have expired. Then a Go server may have
-- fetched the task. It does not change the owner token. But before its fetch, a Go recoverer has changed the
-- message.
local function owned(key, owner, original)
  if field(key, 'rasynq_owner') ~= owner then return false end
  return original == '' or field(key, 'msg') == original
end
