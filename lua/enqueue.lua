-- Stores new tasks of one queue, each with its own result.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:groups
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] "1" if these may have been stored by an earlier call whose reply was lost
-- ARGV[4…] per task, at most 1,000 of them: id, msg, and "pending" if nothing more is to be known. Otherwise "more", state
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
-- what this call has accepted so far: ids, locks with their holders, and the pending tasks, which
-- are all placed at once in the end
local ids, locks, fresh, list = {}, {}, {}, {}

local function place(id, state, at, group)
  if state == 'scheduled' then return redis.pcall('ZADD', scheduled, at, id) end
  local added = redis.pcall('SADD', groups, group)
  if type(added) == 'table' then return added end
  local placed = redis.pcall('ZADD', ARGV[2] .. group, now, id)
  if type(placed) == 'table' and added == 1 then redis.call('SREM', groups, group) end
  return placed
end

local function take_lock(key, id, lock, ttl)
  if lock == '' then return end
  redis.call('HSET', key, 'unique_key', lock)
  redis.call('SET', lock, id, 'EX', ttl)
end

-- The reply for a task that cannot be taken, or nil.
local function refusal(key, id, lock)
  local found = again and field(key, 'msg')
  if found then return { -3, found } end
  if lock ~= '' then
    if locks[lock] then return { -1, locks[lock] } end
    if redis.call('EXISTS', lock) == 1 then
      local holder = redis.pcall('GET', lock)
      return { -1, type(holder) == 'string' and holder or '' }
    end
  end
  if ids[id] or redis.call('EXISTS', key) == 1 then return 0 end
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
  local key, n = ARGV[1] .. id, #replies + 1
  replies[n] = refusal(key, id, lock) or 1
  if replies[n] == 1 and state == 'pending' then
    ids[id] = true
    if lock ~= '' then locks[lock] = id end
    list[#list + 1] = id
    fresh[#fresh + 1] = { n, key, msg, id, lock, ttl }
  elseif replies[n] == 1 then
    -- the set comes first: if Redis refuses it, nothing of the task has been written
    local placed = place(id, state, at, group)
    if type(placed) == 'table' then
      replies[n] = { -2, placed.err }
    else
      redis.call('HSET', key, 'msg', msg, 'state', state)
      if state == 'aggregating' then
        redis.call('HSET', key, 'group', group)
      elseif group ~= '' then
        -- not in `group`: a Go forwarder would strand the task in a group that nobody lists
        redis.call('HSET', key, 'rasynq_group', group)
      end
      take_lock(key, id, lock, ttl)
    end
  end
end

if #list > 0 then
  -- the list comes first here too
  local placed = redis.pcall('LPUSH', pending, unpack(list))
  for _, task in ipairs(fresh) do
    local n, key, msg, id, lock, ttl = unpack(task)
    if type(placed) == 'table' then
      replies[n] = { -2, placed.err }
    else
      redis.call('HSET', key, 'msg', msg, 'state', 'pending', 'pending_since', pending_since)
      take_lock(key, id, lock, ttl)
    end
  end
end
return replies
