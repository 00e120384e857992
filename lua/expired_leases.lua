-- Lists tasks of one queue whose lease expired at least a given time ago.
--
-- KEYS[1] asynq:{q}:lease
-- KEYS[2] asynq:{q}:active
-- ARGV[1] prefix of task keys
-- ARGV[2] how long ago (s) the lease must have expired
-- ARGV[3] how many ids to read at most
-- ARGV[4] budget (bytes): once the messages exceed it, no more tasks are listed. One task always is
-- Reads the tasks' hashes. Drops an id from lease and active if its message is gone, and from lease if the task is
-- not active.
-- Replies {dropped, inactive, more, id, score, losses, msg, …}, 4 per task, oldest lease first
--   dropped   the number of ids without a message
--   inactive  the number of ids of tasks that are not active
--   more      1 if the budget has ended the list, otherwise 0
--   score     that of the lease
--   losses    how many runs in a row were lost before
-- use: now, field
local lease, active = KEYS[1], KEYS[2]
local cutoff = now_secs - tonumber(ARGV[2])
local reply, n, dropped, inactive = { 0, 0, 0 }, 3, {}, {}
local bytes, budget = 0, tonumber(ARGV[4])
local expired = redis.call('ZRANGEBYSCORE', lease, '-inf', cutoff, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #expired, 2 do
  local id, score = expired[i], expired[i + 1]
  local key = ARGV[1] .. id
  local msg = field(key, 'msg')
  if not msg then
    dropped[#dropped + 1] = id
  elseif field(key, 'state') ~= 'active' and not redis.call('LPOS', active, id) then
    inactive[#inactive + 1] = id
  else
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, score, field(key, 'rasynq_losses') or '0', msg
    n = n + 4
    bytes = bytes + #msg
    if bytes > budget and i + 1 < #expired then
      reply[3] = 1
      break
    end
  end
end
-- A key of a wrong type fails here, before the first write.
redis.call('LLEN', active)
for _, id in ipairs(dropped) do
  redis.call('LREM', active, 0, id)
  redis.call('ZREM', lease, id)
end
if #inactive > 0 then redis.call('ZREM', lease, unpack(inactive)) end
reply[1], reply[2] = #dropped, #inactive
return reply
