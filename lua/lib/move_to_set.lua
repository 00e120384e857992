-- move_to_set(key, id, lease, set, score, state, kept, rest): puts task `id`, which the caller has just removed
-- from active, into the sorted set `set`. The first `kept` bytes of its message stay, and `rest` follows them.
-- With '' as `kept`, the message stays as it is.
--
-- A run changes only the end of a message: the payload, which may be large, comes before. So callers do not send
-- the payload again.
local function move_to_set(key, id, lease, set, score, state, kept, rest)
  redis.call('ZREM', lease, id)
  redis.call('ZADD', set, score, id)
  if kept == '' then
    redis.call('HSET', key, 'state', state)
  else
    local msg = kept == '0' and rest or string.sub(field(key, 'msg') or '', 1, tonumber(kept)) .. rest
    redis.call('HSET', key, 'msg', msg, 'state', state)
  end
  redis.call('HDEL', key, 'rasynq_owner', 'rasynq_losses')
end
