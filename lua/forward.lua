-- Moves due tasks of one queue from scheduled or retry to pending, or into their groups.
--
-- KEYS[1] asynq:{q}:scheduled or asynq:{q}:retry
-- KEYS[2] asynq:{q}:pending
-- KEYS[3] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] how many ids to read at most
-- Touches the tasks' hashes, asynq:{q}:g:<group>. Drops an id whose message is gone.
-- Replies {read, postponed}
--   read       how many ids were read; if as many as ARGV[3], more tasks may be due
--   postponed  how many could not be added to their group; they are due again in a minute
-- use: now, nanos, field
local source, pending, groups = KEYS[1], KEYS[2], KEYS[3]
local ids = redis.call('ZRANGEBYSCORE', source, '-inf', now_secs, 'LIMIT', 0, ARGV[3])
local postponed = 0
if #ids == 0 then return { 0, 0 } end
-- A key of a wrong type fails here, before the first write.
redis.call('LLEN', pending)
redis.call('SCARD', groups)
for _, id in ipairs(ids) do
  local key = ARGV[1] .. id
  local group = field(key, 'group') or field(key, 'rasynq_group')
  if not field(key, 'msg') then
    redis.call('ZREM', source, id)
  elseif group and group ~= '' then
    if type(redis.pcall('ZADD', ARGV[2] .. group, now_secs, id)) == 'table' then
      -- Redis refused, for example because the group's key has a wrong type. The task stays in its set and is
      -- due again in a minute, so that it does not block the others.
      redis.call('ZADD', source, now_secs + 60, id)
      postponed = postponed + 1
    else
      redis.call('SADD', groups, group)
      redis.call('HSET', key, 'state', 'aggregating', 'group', group)
      redis.call('HDEL', key, 'rasynq_group')
      redis.call('ZREM', source, id)
    end
  else
    redis.call('LPUSH', pending, id)
    redis.call('HSET', key, 'state', 'pending', 'pending_since', now_nanos)
    redis.call('ZREM', source, id)
  end
end
return { #ids, postponed }
