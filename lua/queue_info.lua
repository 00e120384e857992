-- Counts the tasks of a queue by state, and reads its counters.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:lease
-- KEYS[4] asynq:{q}:scheduled
-- KEYS[5] asynq:{q}:retry
-- KEYS[6] asynq:{q}:archived
-- KEYS[7] asynq:{q}:completed
-- KEYS[8] asynq:{q}:groups
-- KEYS[9] asynq:{q}:paused
-- KEYS[10] asynq:{q}:processed:<day>
-- KEYS[11] asynq:{q}:failed:<day>
-- KEYS[12] asynq:{q}:processed
-- KEYS[13] asynq:{q}:failed
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] up to how many groups are all counted
-- ARGV[4] how many groups are counted if there are more
-- ARGV[5] how many expired leases are looked at
-- Reads the hashes of the next pending task and of tasks whose leases have expired, and the groups.
-- Replies {s, µs, pending, active, orphaned, scheduled, retry, archived, completed, groups, counted, aggregating,
-- processed, failed, processed in total, failed in total, paused, since}
--   s, µs        the time of Redis
--   orphaned     how many active tasks have a lease that has expired. Each lease that was not looked at counts as one
--   counted      how many of the groups were counted; the number of aggregating tasks is an estimate if not all were
--   processed …  as text, or nil
--   paused       the time of the pause as text, or nil
--   since        the field pending_since of the next pending task as text, or nil
-- use: now, field, group_size, count_groups
local aggregating, counted = count_groups(KEYS[8], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
local active = redis.call('LLEN', KEYS[2])
-- The lease of a task that is not active is damage, and makes no orphan.
local orphaned = redis.call('ZCOUNT', KEYS[3], '-inf', now_secs)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_secs, 'LIMIT', 0, ARGV[5])) do
  if field(ARGV[1] .. id, 'state') ~= 'active' then orphaned = orphaned - 1 end
end
local next_id = redis.call('LINDEX', KEYS[1], -1)
return {
  time[1],
  time[2],
  redis.call('LLEN', KEYS[1]),
  active,
  math.min(orphaned, active),
  redis.call('ZCARD', KEYS[4]),
  redis.call('ZCARD', KEYS[5]),
  redis.call('ZCARD', KEYS[6]),
  redis.call('ZCARD', KEYS[7]),
  redis.call('SCARD', KEYS[8]),
  counted,
  aggregating,
  redis.call('GET', KEYS[10]),
  redis.call('GET', KEYS[11]),
  redis.call('GET', KEYS[12]),
  redis.call('GET', KEYS[13]),
  redis.call('GET', KEYS[9]),
  next_id and field(ARGV[1] .. next_id, 'pending_since') or false,
}
