-- Stores the aggregate of an aggregation set in place of the set's tasks.
--
-- A large set is not deleted here, it would take too long: it leaves asynq:{q}:aggregation_sets for
-- rasynq:{q}:aggregated, so that nobody puts it back, and is deleted in parts.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- KEYS[2] asynq:{q}:aggregation_sets
-- KEYS[3] asynq:{q}:pending
-- KEYS[4] asynq:{q}:scheduled
-- KEYS[5] asynq:{q}:groups
-- KEYS[6] asynq:queues; omitted if it may lie in another hash slot (in a cluster)
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] name of the queue
-- ARGV[4] how many tasks of the set the caller has read. If the set has another number, nothing is done
-- ARGV[5] the largest set that is deleted here (tasks)
-- ARGV[6] for a larger one: how long (s) until somebody else may delete it
-- ARGV[7] rasynq:{q}:aggregated. It is not among the keys, so that a user without permission for it can aggregate:
--         then a large set is deleted here after all, and its locks stay until their TTL is over
-- ARGV[8…] the aggregate, in the form "more" of enqueue.lua
-- ARGV[16…] 2 per unique task of the set: id, key of its lock
-- Touches the hashes of the aggregate and of the tasks, asynq:{q}:g:<group> of the aggregate, unique locks.
-- Replies one of
--   {"stored"}
--   {"gone", stored}     nothing is done: the set is gone, or its deadline is over; `stored` is the message of the
--                        task with the aggregate's id, "" if there is none
--   {"changed", size}    nothing is done: the set has `size` tasks
--   {"refused", reason}  nothing is done: the aggregate is refused; `reason` is that of enqueue.lua for one task
-- use: now, nanos, due, field, enqueue
local set, sets, aggregated, prefix = KEYS[1], KEYS[2], ARGV[7], ARGV[1]
local first_task = 8
local first_lock = 16
local call, try = redis.call, redis.pcall
local deadline, size = call('ZSCORE', sets, set), call('ZCARD', set)
if not deadline or size == 0 or tonumber(deadline) <= now_secs then
  return { 'gone', field(prefix .. ARGV[first_task + 1], 'msg') or '' }
end
if size ~= tonumber(ARGV[4]) then return { 'changed', size } end
local is_large = size > tonumber(ARGV[5]) and type(try('ZADD', aggregated, now_secs + ARGV[6], set)) ~= 'table'
-- A lock that a task of the set holds is free for the aggregate: the task is about to go.
local lock = ARGV[first_task + 6]
local holder = lock ~= '' and try('GET', lock)
local lock_ttl_ms = type(holder) == 'string' and call('ZSCORE', set, holder) and call('PTTL', lock)
if lock_ttl_ms then call('DEL', lock) end
local aggregate = { unpack(ARGV, first_task, first_lock - 1) }
local stored = enqueue(KEYS[3], KEYS[4], KEYS[5], KEYS[6], prefix, ARGV[2], ARGV[3], false, aggregate, 1)
if stored ~= 1 then
  if is_large then call('ZREM', aggregated, set) end
  if lock_ttl_ms then call('SET', lock, holder) end
  if lock_ttl_ms and lock_ttl_ms >= 0 then call('PEXPIRE', lock, lock_ttl_ms) end
  return stored.err and stored or { 'refused', stored[1] }
end
call('ZREM', sets, set)
if is_large then return { 'stored' } end
for i = first_lock, #ARGV, 2 do
  if try('GET', ARGV[i + 1]) == ARGV[i] then call('DEL', ARGV[i + 1]) end
end
for _, member in ipairs(call('ZRANGE', set, 0, -1)) do
  local key = prefix .. member
  if field(key, 'state') == 'aggregating' then call('DEL', key) end
end
call('DEL', set)
return { 'stored' }
