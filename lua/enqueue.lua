-- Stores new tasks of one queue, each with its own result.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] "1" if these may have been stored by an earlier call whose reply was lost
-- ARGV[4…] per task: id, msg, and "pending" if nothing more is to be known. Otherwise "more", state
--          (pending | scheduled | aggregating), process-at (s), group or "", lock's key or "",
--          lock's TTL (s)
-- Touches the tasks' hashes, their locks, asynq:{q}:g:<group>.
-- Replies per task: 1 stored | 0 its id is taken | {-1, holder} a duplicate | {-2, error} refused by Redis
--          | {-3, msg} in an earlier call's wake: there is a task of this id, with this message.
-- use: now, field
local pending, scheduled, groups = KEYS[1], KEYS[2], KEYS[3]
local again = ARGV[3] == '1'
local replies = {}
local pending_since, now = now_nanos(), now_secs()

local function place(id, state, at, group)
  if state == 'pending' then return redis.pcall('LPUSH', pending, id) end
  if state == 'scheduled' then return redis.pcall('ZADD', scheduled, at, id) end
  local added = redis.pcall('SADD', groups, group)
  if type(added) == 'table' then return added end
  local placed = redis.pcall('ZADD', ARGV[2] .. group, now, id)
  if type(placed) == 'table' and added == 1 then redis.call('SREM', groups, group) end
  return placed
end

local i = 4
while i <= #ARGV do
  local id, msg, state = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local at, group, lock, ttl = '', '', '', ''
  i = i + 3
  if state == 'more' then
    state, at, group, lock, ttl = unpack(ARGV, i, i + 4)
    i = i + 5
  end
  local key = ARGV[1] .. id
  local reply = 1
  local found = again and field(key, 'msg')
  if found then
    reply = { -3, found }
  elseif lock ~= '' and redis.call('EXISTS', lock) == 1 then
    local holder = redis.pcall('GET', lock)
    reply = { -1, type(holder) == 'string' and holder or '' }
  elseif redis.call('EXISTS', key) == 1 then
    reply = 0
  else
    -- the list or set comes first: if Redis refuses it, nothing of the task has been written
    local placed = place(id, state, at, group)
    if type(placed) == 'table' then
      reply = { -2, placed.err }
    else
      if state == 'pending' then
        redis.call('HSET', key, 'msg', msg, 'state', state, 'pending_since', pending_since)
      elseif state == 'aggregating' then
        redis.call('HSET', key, 'msg', msg, 'state', state, 'group', group)
      elseif group ~= '' then
        -- not in `group`: a Go forwarder would strand the task in a group that nobody lists
        redis.call('HSET', key, 'msg', msg, 'state', state, 'rasynq_group', group)
      else
        redis.call('HSET', key, 'msg', msg, 'state', state)
      end
      if lock ~= '' then
        redis.call('HSET', key, 'unique_key', lock)
        redis.call('SET', lock, id, 'EX', ttl)
      end
    end
  end
  replies[#replies + 1] = reply
end
return replies
