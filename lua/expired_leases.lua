-- Lists tasks of one queue whose lease expired at least a given time ago.
--
-- KEYS[1] asynq:{q}:lease
-- KEYS[2] asynq:{q}:active
-- ARGV[1] prefix of task keys
-- ARGV[2] how long ago (s) the lease must have expired
-- ARGV[3] how many ids to read at most
-- Reads the tasks' hashes. Drops an id from lease and active if its message is gone.
-- Replies {dropped, id, score, msg, id, score, msg, …}: the number of ids dropped, and the tasks, oldest lease
-- first; `score` is that of the lease
-- use: now, field
local lease, active = KEYS[1], KEYS[2]
local cutoff = now_secs - tonumber(ARGV[2])
local reply, dropped = { 0 }, {}
local expired = redis.call('ZRANGEBYSCORE', lease, '-inf', cutoff, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #expired, 2 do
  local id, score = expired[i], expired[i + 1]
  local msg = field(ARGV[1] .. id, 'msg')
  if msg then
    reply[#reply + 1] = id
    reply[#reply + 1] = score
    reply[#reply + 1] = msg
  else
    dropped[#dropped + 1] = id
  end
end
-- A key of a wrong type fails here, before the first write.
redis.call('LLEN', active)
for _, id in ipairs(dropped) do
  redis.call('LREM', active, 0, id)
  redis.call('ZREM', lease, id)
end
reply[1] = #dropped
return reply
