-- Estimates how many bytes a queue and its tasks take in Redis, from a sample of its tasks.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:scheduled
-- KEYS[4] asynq:{q}:retry
-- KEYS[5] asynq:{q}:archived
-- KEYS[6] asynq:{q}:completed
-- KEYS[7] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] how many tasks of each state, and of each group of the sample, are measured
-- ARGV[4] how many groups make up the sample
-- ARGV[5] up to how many groups are all counted
-- ARGV[6] how many groups are counted if there are more
-- Reads tasks' hashes, and the groups.
-- Replies the number of bytes
-- use: group_size, count_groups
local prefix, group_prefix, sample = ARGV[1], ARGV[2], tonumber(ARGV[3])
local function bytes_of(key) return redis.call('MEMORY', 'USAGE', key) or 0 end
-- The bytes of these tasks, and how many of them have a hash.
local function measure(ids)
  local bytes, found = 0, 0
  for _, id in ipairs(ids) do
    local task = bytes_of(prefix .. id)
    if task > 0 then bytes, found = bytes + task, found + 1 end
  end
  return bytes, found
end
local function mean(bytes, found) return found > 0 and bytes / found or 0 end
local total = 0
local function add(key, range, size)
  total = total + bytes_of(key) + mean(measure(redis.call(range, key, 0, sample - 1))) * redis.call(size, key)
end
for _, list in ipairs({ KEYS[1], KEYS[2] }) do add(list, 'LRANGE', 'LLEN') end
for _, set in ipairs({ KEYS[3], KEYS[4], KEYS[5], KEYS[6] }) do add(set, 'ZRANGE', 'ZCARD') end
local groups, task_bytes, tasks, set_bytes = redis.call('SRANDMEMBER', KEYS[7], ARGV[4]), 0, 0, 0
for _, name in ipairs(groups) do
  local group = group_prefix .. name
  local ids = group_size(group) > 0 and redis.call('ZRANGE', group, 0, sample - 1) or {}
  local bytes, found = measure(ids)
  task_bytes, tasks, set_bytes = task_bytes + bytes, tasks + found, set_bytes + bytes_of(group)
end
local aggregating = count_groups(KEYS[7], group_prefix, tonumber(ARGV[5]), tonumber(ARGV[6]))
total = total + bytes_of(KEYS[7]) + mean(task_bytes, tasks) * aggregating
  + mean(set_bytes, #groups) * redis.call('SCARD', KEYS[7])
return math.floor(total)
