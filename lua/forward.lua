-- Moves tasks of one queue that are due from scheduled or retry to pending, or into their groups.
--
-- KEYS[1] asynq:{q}:scheduled or asynq:{q}:retry
-- KEYS[2] asynq:{q}:pending
-- KEYS[3] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] the most to move
-- Touches the tasks' hashes, asynq:{q}:g:<group>.
-- Replies {number of ids looked at, number of those put off by a minute because Redis refused their
--          group}. An id whose hash is gone is dropped.
-- use: now, nanos, field
local source, pending, groups = KEYS[1], KEYS[2], KEYS[3]
local ids = redis.call('ZRANGEBYSCORE', source, '-inf', now_secs, 'LIMIT', 0, ARGV[3])
local refused = 0
if #ids == 0 then return { 0, 0 } end
redis.call('LLEN', pending)
redis.call('SCARD', groups)
for _, id in ipairs(ids) do
  local key = ARGV[1] .. id
  local group = field(key, 'group') or field(key, 'rasynq_group')
  if not field(key, 'msg') then
    -- nothing to run: the id only goes
    redis.call('ZREM', source, id)
  elseif group and group ~= '' then
    if type(redis.pcall('ZADD', ARGV[2] .. group, now_secs, id)) == 'table' then
      -- a key of a wrong type: the task stays, and out of the way of the others
      redis.call('ZADD', source, now_secs + 60, id)
      refused = refused + 1
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
return { #ids, refused }
