-- Lists tasks of one queue whose lease ended some time ago; an id whose hash is gone is dropped.
--
-- KEYS[1] asynq:{q}:lease
-- KEYS[2] asynq:{q}:active
-- ARGV[1] prefix of task keys
-- ARGV[2] for how long (s) the lease must have ended
-- ARGV[3] the most to list
-- Touches nothing but dropped ids.
-- Replies {number of ids dropped, id, msg, id, msg …}.
-- use: now, field
local reply, dropped = {}, {}
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_secs - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[3])
reply[1] = 0
for _, id in ipairs(ids) do
  local msg = field(ARGV[1] .. id, 'msg')
  if msg then
    reply[#reply + 1] = id
    reply[#reply + 1] = msg
  else
    dropped[#dropped + 1] = id
  end
end
redis.call('LLEN', KEYS[2])
for _, id in ipairs(dropped) do
  redis.call('LREM', KEYS[2], 0, id)
  redis.call('ZREM', KEYS[1], id)
end
reply[1] = #dropped
return reply
