-- Takes the tasks of a group into an aggregation set if they are due, or continues with the set of an earlier call.
-- The caller calls again until the set is complete, so that no call moves many tasks.
--
-- KEYS[1] asynq:{q}:g:<group>
-- KEYS[2] asynq:{q}:g:<group>:<set id>, the set. Its id is new with each set
-- KEYS[3] asynq:{q}:aggregation_sets
-- KEYS[4] asynq:{q}:groups
-- ARGV[1] name of the group
-- ARGV[2] max size: so many tasks are due; 0 for none
-- ARGV[3] max delay: all are due if the oldest joined that long ago (ms); -1 for none
-- ARGV[4] grace period: all are due if the newest joined that long ago (ms)
-- ARGV[5] how long until the deadline of the set (s)
-- Replies one of
--   {"set", deadline, size, more}     more is 1 if the set is not complete yet
--   {"early", size, oldest, newest}   no task is due: the size of the group, and its lowest and highest score
--   {"empty"}                         the group has no tasks; its name is dropped from the names of groups
-- use: now
local group, set, sets, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local max_size = tonumber(ARGV[2])
-- The most tasks that one call moves.
local MOST_MOVED = 1000
local call = redis.call
local size, taken = call('ZCARD', group), call('ZCARD', set)
-- A key of a wrong type fails here, before the first write.
call('SCARD', groups)
local deadline = call('ZSCORE', sets, set)

local function move_oldest(count)
  local members, scored = call('ZRANGE', group, 0, count - 1, 'WITHSCORES'), {}
  for i = 1, #members, 2 do scored[i], scored[i + 1] = members[i + 1], members[i] end
  if #members == 0 then return end
  call('ZADD', set, unpack(scored))
  call('ZREMRANGEBYRANK', group, 0, count - 1)
  taken = taken + #members / 2
end

if deadline then
  -- An earlier call has made the set, and its reply may be lost. Below the max size, a set of whole thousands is
  -- not complete. If all tasks of the group were such a set, those that have joined since are welcome.
  if taken < max_size and taken % MOST_MOVED == 0 then move_oldest(math.min(MOST_MOVED, max_size - taken)) end
elseif size == 0 then
  call('SREM', groups, ARGV[1])
  return { 'empty' }
else
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local max_delay, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
  local oldest = call('ZRANGE', group, 0, 0, 'WITHSCORES')[2]
  local newest = call('ZRANGE', group, -1, -1, 'WITHSCORES')[2]
  local is_due = max_size > 0 and size >= max_size
    or max_delay >= 0 and oldest * 1000 <= now_ms - max_delay
    or newest * 1000 <= now_ms - grace
  if not is_due then return { 'early', size, oldest, newest } end
  deadline = string.format('%d', now_secs + ARGV[5])
  -- If memory is full, Redis refuses this write, and nothing has changed.
  call('ZADD', sets, deadline, set)
  if max_size == 0 or size <= max_size then
    -- All tasks, however many, in one step.
    call('RENAME', group, set)
    taken = size
  else
    move_oldest(math.min(MOST_MOVED, max_size))
  end
end
local is_empty = call('EXISTS', group) == 0
if is_empty then call('SREM', groups, ARGV[1]) end
local is_part = not is_empty and taken < max_size and taken % MOST_MOVED == 0
return { 'set', deadline, taken, is_part and 1 or 0 }
