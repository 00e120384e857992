-- Puts tasks of an aggregation set back into their group.
-- The caller calls again until none are left, so that no call moves many tasks.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- KEYS[2] asynq:{q}:aggregation_sets
-- KEYS[3] asynq:{q}:g:<group>
-- KEYS[4] asynq:{q}:groups
-- ARGV[1] name of the group
-- ARGV[2] "1" if the deadline of the set must be over; "0" if the set is the caller's
-- ARGV[3] how many tasks to move at most, at most 1,000 (unpack takes a few thousand values)
-- Replies one of
--   {"returned", tasks, left}  how many tasks are in their group again, and how many the set still has
--   {"early"}                  the deadline of the set is not over
--   {"gone"}                   the set is not listed
-- use: now, move_oldest
local set, sets, group, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
local deadline = call('ZSCORE', sets, set)
if not deadline then return { 'gone' } end
if ARGV[2] == '1' and tonumber(deadline) > now_secs then return { 'early' } end
-- A key of a wrong type fails here, before the first write.
local size, group_size = call('ZCARD', set), call('ZCARD', group)
call('SCARD', groups)
local returned = math.min(size, ARGV[3])
if size == 0 then
  call('ZREM', sets, set)
elseif group_size == 0 then
  -- All at once, in one step. If memory is full, Redis refuses the first write, and nothing has changed.
  call('SADD', groups, ARGV[1])
  call('RENAME', set, group)
  call('ZREM', sets, set)
  returned = size
else
  -- A set that is put back in several steps must not be aggregated meanwhile, whatever becomes of Redis' clock.
  if returned < size then call('ZADD', sets, 0, set) end
  call('SADD', groups, ARGV[1])
  move_oldest(set, group, returned)
  if returned == size then call('ZREM', sets, set) end
end
return { 'returned', returned, size - returned }
