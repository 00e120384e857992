-- Moves due tasks of one queue from scheduled or retry to pending, or into their groups.
--
-- KEYS[1] asynq:{q}:scheduled or asynq:{q}:retry
-- KEYS[2] asynq:{q}:pending
-- KEYS[3] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] how many ids to read at most, at most 1,000 (unpack takes a few thousand values)
-- Touches the tasks' hashes, asynq:{q}:g:<group>. Drops an id whose message is gone.
-- Replies {read, postponed}
--   read       how many ids were read; if as many as ARGV[3], more tasks may be due
--   postponed  how many could not be added to their group; they are due again in a minute
-- use: now, nanos, field
local source, pending, groups = KEYS[1], KEYS[2], KEYS[3]
local call, try = redis.call, redis.pcall
local ids = call('ZRANGEBYSCORE', source, '-inf', now_secs, 'LIMIT', 0, ARGV[3])
local postponed = 0
if #ids == 0 then return { 0, 0 } end
-- A key of a wrong type fails here, before the first write.
call('LLEN', pending)
call('SCARD', groups)
-- The ids that leave the set: those for pending, those for a group, and those whose message is gone. Those of the
-- first kind are pushed at once, and all leave at once.
local due, keys, grouped, gone = {}, {}, {}, {}
for _, id in ipairs(ids) do
  local key = ARGV[1] .. id
  -- The message itself is not read: it may be large.
  local found = try('HEXISTS', key, 'msg')
  if found ~= 1 and (found == 0 or not field(key, 'msg')) then
    gone[#gone + 1] = id
  else
    local names = call('HMGET', key, 'group', 'rasynq_group')
    local group = names[1] or names[2]
    if group and group ~= '' then
      grouped[#grouped + 1] = { id, key, group }
    else
      due[#due + 1], keys[#keys + 1] = id, key
    end
  end
end
-- If memory is full, Redis refuses this write, and nothing has changed.
if #due > 0 then
  call('LPUSH', pending, unpack(due))
  for i = 1, #due do call('HSET', keys[i], 'state', 'pending', 'pending_since', now_nanos) end
  call('ZREM', source, unpack(due))
end
for _, task in ipairs(grouped) do
  local id, key, group = unpack(task)
  if type(try('ZADD', ARGV[2] .. group, now_secs, id)) == 'table' then
    -- Redis refused, for example because the group's key has a wrong type. The task stays in its set and is
    -- due again in a minute, so that it does not block the others.
    call('ZADD', source, now_secs + 60, id)
    postponed = postponed + 1
  else
    call('SADD', groups, group)
    call('HSET', key, 'state', 'aggregating', 'group', group)
    call('HDEL', key, 'rasynq_group')
    call('ZREM', source, id)
  end
end
if #gone > 0 then call('ZREM', source, unpack(gone)) end
return { #ids, postponed }
