-- Deletes tasks of a large aggregation set whose aggregate is stored, with their unique locks.
-- The caller calls again until none are left, so that no call deletes many tasks.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- KEYS[2] rasynq:{q}:aggregated
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of unique locks
-- ARGV[3] how many tasks to delete at most, at most 1,000 (unpack takes a few thousand values)
-- ARGV[4] budget (bytes): the messages of a reply have no more, but a reply may always have one
-- ARGV[5…] 2 per task whose message came with an earlier reply: id, key of its unique lock; "" for none
-- Touches the tasks' hashes and locks. If the set has no task left, it leaves rasynq:{q}:aggregated.
-- Replies {left, id, msg, …}: how many tasks are left, and 2 per task whose lock only its message may name, because a Go
-- client has added it. These tasks are not deleted yet
-- use: field
local set, aggregated, prefix, lock_prefix = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local budget = tonumber(ARGV[4])
local first_task = 5
local call, try = redis.call, redis.pcall
-- Otherwise the tasks may be back in their group.
if not call('ZSCORE', aggregated, set) then return { 0 } end
local locks = {}
for i = first_task, #ARGV, 2 do locks[ARGV[i]] = ARGV[i + 1] end
local deleted, reply, n = {}, { 0 }, 1
for _, id in ipairs(call('ZRANGE', set, 0, ARGV[3] - 1)) do
  local key = prefix .. id
  local is_aggregating = field(key, 'state') == 'aggregating'
  local lock = is_aggregating and (locks[id] or field(key, 'unique_key'))
  local msg = is_aggregating and not lock and field(key, 'msg')
  if msg and string.find(msg, lock_prefix, 1, true) then
    budget = budget - #msg
    if budget >= 0 or n == 1 then
      reply[n + 1], reply[n + 2] = id, msg
      n = n + 2
    end
  else
    if lock and lock ~= '' and try('GET', lock) == id then call('DEL', lock) end
    if is_aggregating then call('DEL', key) end
    deleted[#deleted + 1] = id
  end
end
if #deleted > 0 then call('ZREM', set, unpack(deleted)) end
reply[1] = call('ZCARD', set)
if reply[1] == 0 then call('ZREM', aggregated, set) end
return reply
