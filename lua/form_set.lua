-- Takes the tasks of a group into an aggregation set if they are due, or continues with the set of an earlier call.
-- The caller calls again until the set is complete, so that no call moves many tasks.
--
-- A call that arrives after its set was put back, or was deleted in one step, cannot know that: it forms another set
-- of the tasks that are in the group then. Nobody aggregates this set, so it is put back after its deadline.
--
-- KEYS[1] asynq:{q}:g:<group>
-- KEYS[2] asynq:{q}:g:<group>:<set id>, the set. Its id is new with each set
-- KEYS[3] asynq:{q}:aggregation_sets
-- KEYS[4] asynq:{q}:groups
-- ARGV[1] name of the group
-- ARGV[2] max size: so many tasks are due; 0 for none
-- ARGV[3] max delay: all are due if the oldest joined that long ago (ms); -1 for none
-- ARGV[4] grace period: all are due if the newest joined that long ago (ms)
-- ARGV[5] how many tasks a set has at most
-- ARGV[6] how long until the deadline of the set (s)
-- Replies one of
--   {"set", deadline, size, more}         more is 1 if the set is not complete yet
--   {"early", size, oldest, newest, now}  no task is due: the size of the group, its lowest and highest score, and the
--                                         time of Redis (unix ms)
--   {"empty"}                             the group has no tasks, and its name is dropped from the names of groups; or
--                                         the aggregate of the set is stored
-- use: now, now_ms, move_oldest
local group, set, sets, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local max_size, largest = tonumber(ARGV[2]), tonumber(ARGV[5])
-- The most tasks that one call moves.
local MOST_MOVED = 1000
local call = redis.call
local size, taken = call('ZCARD', group), call('ZCARD', set)
-- A key of a wrong type fails here, before the first write.
call('SCARD', groups)
local deadline = call('ZSCORE', sets, set)

-- Only the tasks of a group that has more than the largest set are moved in several calls, a thousand with each but the
-- last. So a smaller set of whole thousands is not complete.
local function is_part() return taken < largest and taken % MOST_MOVED == 0 end

if deadline then
  -- An earlier call has made the set, and its reply may be lost. A set whose deadline is over gets no more tasks: they
  -- would be put back, or its tasks are being put back already.
  if tonumber(deadline) <= now_secs then return { 'set', deadline, taken, 0 } end
  -- A whole group of so many tasks looks like a part of a larger one. Then those that have joined since are taken too.
  if is_part() then taken = taken + move_oldest(group, set, math.min(MOST_MOVED, largest - taken)) end
elseif taken > 0 then
  -- This call comes late: the aggregate of the set is stored, and its tasks are being deleted.
  return { 'empty' }
elseif size == 0 then
  call('SREM', groups, ARGV[1])
  return { 'empty' }
else
  local max_delay, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
  local oldest = call('ZRANGE', group, 0, 0, 'WITHSCORES')[2]
  local newest = call('ZRANGE', group, -1, -1, 'WITHSCORES')[2]
  local is_due = max_size > 0 and size >= max_size
    or max_delay >= 0 and oldest * 1000 <= now_ms - max_delay
    or newest * 1000 <= now_ms - grace
  if not is_due then return { 'early', size, oldest, newest, now_ms } end
  deadline = string.format('%d', now_secs + ARGV[6])
  -- If memory is full, Redis refuses this write, and nothing has changed.
  call('ZADD', sets, deadline, set)
  if size <= largest then
    -- All tasks in one step.
    call('RENAME', group, set)
    taken = size
  else
    taken = move_oldest(group, set, math.min(MOST_MOVED, largest))
  end
end
local is_empty = call('EXISTS', group) == 0
if is_empty then call('SREM', groups, ARGV[1]) end
return { 'set', deadline, taken, not is_empty and is_part() and 1 or 0 }
