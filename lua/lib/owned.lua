-- owned(key, id, owner, lease): whether the task `id`, whose hash is `key`, still belongs to the fetch with the
-- owner token `owner`.
--
-- Whenever one of our scripts writes a lease, it also writes `rasynq_owner`: the owner token, "@", and the score of
-- the lease. A Go server that fetches the task, after a recoverer has taken it from us, leaves this field as it is,
-- but writes another score. So the task is ours as long as the lease has the score that we wrote, even if it has
-- expired.
--
-- A lease that somebody has shortened by hand is still ours while no recoverer may take the task. A fetch of a
-- server with a slow clock does not look like that: its lease would have to be even older.
local function owned(key, id, owner, lease)
  local written = field(key, 'rasynq_owner')
  local expires_at = written and redis.call('ZSCORE', lease, id)
  if not expires_at then return false end
  if written == owner .. '@' .. expires_at then return true end
  local token, latest = string.match(written, '^(.*)@(%d+)$')
  expires_at = tonumber(expires_at)
  return token == owner and expires_at < tonumber(latest) and expires_at > redis.call('TIME')[1] - 30
end
