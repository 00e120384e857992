-- Puts tasks of an aggregation set back into their group. Drops ids of tasks that are gone, or are not aggregating.
-- The caller calls again until none are left, so that no call moves many tasks.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- KEYS[2] asynq:{q}:aggregation_sets
-- KEYS[3] asynq:{q}:g:<group>
-- KEYS[4] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] name of the group
-- ARGV[3] "1" if the deadline of the set must be over; "0" if the set is the caller's
-- ARGV[4] how many ids to read at most, at most 1,000 (unpack takes a few thousand values)
-- Reads the tasks' hashes.
-- Replies one of
--   nothing                     the set is not listed, or its deadline is not over
--   {returned, dropped, left}   how many tasks are in their group again, how many ids were dropped, and how many
--                               the set still has
-- use: now, field
local set, sets, group, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
local deadline = call('ZSCORE', sets, set)
if not deadline or ARGV[3] == '1' and tonumber(deadline) > now_secs then return false end
-- A key of a wrong type fails here, before the first write.
call('ZCARD', group)
call('SCARD', groups)
local members, scored = call('ZRANGE', set, 0, ARGV[4] - 1, 'WITHSCORES'), {}
for i = 1, #members, 2 do
  local key = ARGV[1] .. members[i]
  if field(key, 'state') == 'aggregating' and call('HEXISTS', key, 'msg') == 1 then
    scored[#scored + 1], scored[#scored + 2] = members[i + 1], members[i]
  end
end
local read, returned = #members / 2, #scored / 2
-- A set that is put back in several steps must not be aggregated meanwhile. If memory is full, Redis refuses this
-- write, and nothing has changed.
local left = call('ZCARD', set) - read
if left > 0 then call('ZADD', sets, 0, set) end
if returned > 0 then
  call('ZADD', group, unpack(scored))
  call('SADD', groups, ARGV[2])
end
if read > 0 then call('ZREMRANGEBYRANK', set, 0, read - 1) end
if left == 0 then call('ZREM', sets, set) end
return { returned, read - returned, left }
