-- has_message(key, original): whether the message in the task's hash `key` has the SHA-1 `original`.
local function has_message(key, original)
  local msg = field(key, 'msg')
  return msg and redis.sha1hex(msg) == original
end
