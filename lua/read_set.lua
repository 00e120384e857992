-- Lists tasks of an aggregation set, the oldest first.
-- Drops ids of tasks that are gone, or are not aggregating.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- ARGV[1] prefix of task keys
-- ARGV[2] how many tasks were read before
-- ARGV[3] how many ids to read at most, at most 1,000 (unpack takes a few thousand values)
-- ARGV[4] budget (bytes): the messages of a part have no more, but a part has at least one
-- Reads the tasks' hashes.
-- Replies {dropped, more, id, msg, …}, 2 per task
--   dropped  the number of ids that were dropped
--   more     1 if the set may have more tasks, otherwise 0
-- use: field
local set, prefix, from, limit = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local budget = tonumber(ARGV[4])
local ids = redis.call('ZRANGE', set, from, from + limit - 1)
local reply, n, dropped = { 0, #ids == limit and 1 or 0 }, 2, {}
for _, id in ipairs(ids) do
  local key = prefix .. id
  local msg = field(key, 'state') == 'aggregating' and field(key, 'msg')
  if not msg then
    dropped[#dropped + 1] = id
  else
    budget = budget - #msg
    if budget < 0 and n > 2 then
      reply[2] = 1
      break
    end
    reply[n + 1], reply[n + 2] = id, msg
    n = n + 2
  end
end
if #dropped > 0 then redis.call('ZREM', set, unpack(dropped)) end
reply[1] = #dropped
return reply
