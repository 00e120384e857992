-- Moves up to `want` of the oldest pending tasks of one queue to active, under a lease.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:lease
-- KEYS[4] asynq:{q}:paused
-- ARGV[1] prefix of task keys
-- ARGV[2] want
-- ARGV[3] length of the lease (s)
-- ARGV[4] owner: names this fetch
-- Touches the tasks' hashes.
-- Replies {"paused"} | {"ok", number of ids dropped because their hash is gone, id, msg, id, msg …}, oldest first.
-- use: now, field
local pending, active, lease = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'paused' } end
-- a key of a wrong type raises here, before anything is written
redis.call('LLEN', active)
redis.call('ZCARD', lease)

local want, dropped = tonumber(ARGV[2]), 0
local reply = { 'ok', 0 }
local expires_at = now_secs() + tonumber(ARGV[3])
while want > 0 do
  local ids = redis.call('LRANGE', pending, -want, -1)
  if #ids == 0 then break end
  local taken, leases = {}, {}
  for i = #ids, 1, -1 do
    local msg = field(ARGV[1] .. ids[i], 'msg')
    if msg then
      taken[#taken + 1] = ids[i]
      leases[#leases + 1] = expires_at
      leases[#leases + 1] = ids[i]
      reply[#reply + 1] = ids[i]
      reply[#reply + 1] = msg
    else
      dropped = dropped + 1
    end
  end
  -- the first write: refused as a whole when Redis is out of memory
  if #taken > 0 then redis.call('LPUSH', active, unpack(taken)) end
  redis.call('LTRIM', pending, 0, -#ids - 1)
  for _, id in ipairs(taken) do
    redis.call('HSET', ARGV[1] .. id, 'state', 'active', 'rasynq_owner', ARGV[4])
    redis.call('HDEL', ARGV[1] .. id, 'pending_since')
  end
  if #taken > 0 then redis.call('ZADD', lease, unpack(leases)) end
  want = want - #taken
end
reply[2] = dropped
return reply
