-- take(key, id, proof, active, lease, expired_secs): removes task `id` from active if the caller may decide on
-- it; otherwise writes nothing. Returns whether the caller may.
--
--   expired_secs ''       the caller is the run that owns the task, `proof` is its owner token: see take_owned.lua
--   expired_secs seconds  the caller is a recoverer: the lease must still have the score `proof`, and must have
--                         expired at least that long ago. A negative number: it may expire so much later
--
-- A recoverer listed the task in an earlier call. Since then another recoverer may have moved the task, and a
-- server may have fetched it again: then the lease has another score.
-- As in take_owned.lua, the removal must be the first write of a script.
local function take(key, id, proof, active, lease, expired_secs)
  if expired_secs == '' then return take_owned(key, id, proof, active, lease) end
  local expires_at = redis.call('ZSCORE', lease, id)
  if expires_at ~= proof or tonumber(expires_at) > now_secs - tonumber(expired_secs) then return false end
  if not field(key, 'msg') then return false end
  redis.call('LREM', active, 0, id)
  return true
end
