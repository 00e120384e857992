-- Deletes tasks of a large aggregation set whose aggregate is stored.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- KEYS[2] rasynq:{q}:aggregated
-- ARGV[1] prefix of task keys
-- ARGV[2…] 2 per task, at most 1,000 tasks (unpack takes a few thousand values): id, key of its unique lock; "" for
--          none
-- Touches the tasks' hashes and locks. If the set has no task left, it leaves rasynq:{q}:aggregated.
-- Replies how many tasks are left
-- use: field
local set, aggregated, prefix = KEYS[1], KEYS[2], ARGV[1]
local first_task = 2
local call, try = redis.call, redis.pcall
-- Otherwise the tasks may be back in their group.
if not call('ZSCORE', aggregated, set) then return 0 end
local ids = {}
for i = first_task, #ARGV, 2 do
  local id, lock = ARGV[i], ARGV[i + 1]
  ids[#ids + 1] = id
  if call('ZSCORE', set, id) then
    if lock ~= '' and try('GET', lock) == id then call('DEL', lock) end
    if field(prefix .. id, 'state') == 'aggregating' then call('DEL', prefix .. id) end
  end
end
if #ids > 0 then call('ZREM', set, unpack(ids)) end
local left = call('ZCARD', set)
if left == 0 then call('ZREM', aggregated, set) end
return left
