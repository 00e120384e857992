-- Lists tasks of one queue whose leases belong to one owner.
--
-- KEYS[1] asynq:{q}:lease
-- ARGV[1] prefix of task keys
-- ARGV[2] name of the owner: the first part of its owner tokens
-- ARGV[3] how many leases to skip, the oldest first
-- ARGV[4] how many leases to read at most
-- ARGV[5] budget (bytes): once the messages exceed it, no more leases are read. One always is
-- Reads the tasks' hashes.
-- Replies {read, id, score, losses, msg, …}: the number of leases read, and 4 per task of the owner
--   losses  how many runs in a row were lost before
-- use: field
local leases = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES', 'LIMIT', ARGV[3], ARGV[4])
local reply, n, owner = { 0 }, 1, ARGV[2] .. ':'
local bytes, budget = 0, tonumber(ARGV[5])
for i = 1, #leases, 2 do
  if bytes > budget then break end
  reply[1] = reply[1] + 1
  local id, score = leases[i], leases[i + 1]
  local key = ARGV[1] .. id
  -- The owner's name, and behind "@" the score that it wrote: see owned.lua.
  local written = field(key, 'rasynq_owner') or ''
  if string.sub(written, 1, #owner) == owner and string.sub(written, -#score - 1) == '@' .. score then
    local msg = field(key, 'msg')
    if msg then
      reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, score, field(key, 'rasynq_losses') or '0', msg
      n = n + 4
      bytes = bytes + #msg
    end
  end
end
return reply
