-- take(key, id, owner, original, active, lease, expired_secs): removes task `id` from active if the caller may
-- decide on it; otherwise writes nothing. Returns whether the caller may.
--
--   expired_secs ''       the caller is the run that owns the task: see take_owned.lua
--   expired_secs seconds  the caller is a recoverer: the lease must have expired at least that long ago, and
--                         the stored message must still have the SHA-1 `original`
--
-- A recoverer listed the task in an earlier call. Since then another recoverer may have moved the task, and a
-- server may have fetched it again. So the recoverer's call checks lease and message once more.
-- As in take_owned.lua, the removal must be the first write of a script.
local function take(key, id, owner, original, active, lease, expired_secs)
  if expired_secs == '' then return take_owned(key, id, owner, original, active) end
  local expires_at = redis.call('ZSCORE', lease, id)
  if not expires_at or tonumber(expires_at) > now_secs - tonumber(expired_secs) then return false end
  if not has_message(key, original) then return false end
  redis.call('LREM', active, 0, id)
  return true
end
