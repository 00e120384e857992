-- Stores new tasks of one queue, each with its own result.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:groups
-- KEYS[4] asynq:queues; not given in a cluster, where it lies elsewhere
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] the queue's name
-- ARGV[4] "1" if these may have been stored by an earlier call whose reply was lost
-- ARGV[5…] the tasks, at most 1,000, in parts: "pending", how many they are, and id and msg of each,
--          if nothing more is to be known of them; or "more" and a single task: id, msg, state
--          (pending | scheduled | aggregating), process-at (s), group or "", lock's key or "", lock's
--          TTL (s)
-- Touches the tasks' hashes, their locks, asynq:{q}:g:<group>.
-- Replies per task: 1 stored | 0 its id is taken | {-1, holder} a duplicate | {-2, error} refused by Redis
--          | {-3, msg} in an earlier call's wake: there is a task of this id, with this message.
-- use: now, field
local pending, scheduled, groups = KEYS[1], KEYS[2], KEYS[3]
local prefix, again, call = ARGV[1], ARGV[4] == '1', redis.call
-- every time, for it may have been deleted a moment ago; refused, nothing is stored
local known = KEYS[4] and redis.pcall('SADD', KEYS[4], ARGV[3])
if type(known) == 'table' then
  known.err = known.err .. ': SADD ' .. KEYS[4]
  return known
end
local pending_since, now = now_nanos(), now_secs()
-- the reply to the task that is dealt with is number `at`; the keys of those stored by this call
local replies, at, seen = {}, 0, {}
-- the ids of pending tasks, which are all pushed at once in the end, with the numbers of their replies
local list, listed, places = {}, 0, {}

-- The reply for a task that cannot be taken, or nil.
local function refusal(key, lock)
  if seen[key] then return 0 end
  local found = again and field(key, 'msg')
  if found then return { -3, found } end
  local holder = lock and redis.pcall('GET', lock)
  if type(holder) == 'string' then return { -1, holder } end
  if holder and not string.find(holder.err, 'WRONGTYPE', 1, true) then return { -2, holder.err } end
  if holder then return { -1, '' } end
  if call('EXISTS', key) == 1 then return 0 end
end

local function store_pending(key, id, msg, lock)
  local stored
  if lock then
    stored = redis.pcall('HSET', key, 'msg', msg, 'state', 'pending', 'pending_since', pending_since,
      'unique_key', lock)
  else
    stored = redis.pcall('HSET', key, 'msg', msg, 'state', 'pending', 'pending_since', pending_since)
  end
  if type(stored) == 'table' then return { -2, stored.err } end
  listed = listed + 1
  list[listed], places[listed] = id, at
  return 1
end

-- into the set of scheduled tasks or of a group
local function place(id, state, time, group)
  if state == 'scheduled' then return redis.pcall('ZADD', scheduled, time, id) end
  local added = redis.pcall('SADD', groups, group)
  if type(added) == 'table' then return added end
  local placed = redis.pcall('ZADD', ARGV[2] .. group, now, id)
  if type(placed) == 'table' and added == 1 then call('SREM', groups, group) end
  return placed
end

local function store_elsewhere(key, id, msg, lock, state, time, group)
  -- the set comes first: if Redis refuses it, nothing of the task has been written
  local placed = place(id, state, time, group)
  if type(placed) == 'table' then return { -2, placed.err } end
  call('HSET', key, 'msg', msg, 'state', state)
  if lock then call('HSET', key, 'unique_key', lock) end
  if state == 'aggregating' then
    call('HSET', key, 'group', group)
  elseif group ~= '' then
    -- not in `group`: a Go forwarder would strand the task in a group that nobody lists
    call('HSET', key, 'rasynq_group', group)
  end
  return 1
end

local function store(id, msg, state, time, group, lock, ttl)
  local key = prefix .. id
  if lock == '' then lock = nil end
  local reply = refusal(key, lock)
  if reply then return reply end
  local locked = lock and redis.pcall('SET', lock, id, 'EX', ttl)
  if locked and locked.err then return { -2, locked.err } end
  if state == 'pending' then
    reply = store_pending(key, id, msg, lock)
  else
    reply = store_elsewhere(key, id, msg, lock, state, time, group)
  end
  seen[key] = reply == 1
  if lock and reply ~= 1 then call('DEL', lock) end
  return reply
end

local i = 5
while i <= #ARGV do
  if ARGV[i] == 'more' then
    at = at + 1
    replies[at] = store(unpack(ARGV, i + 1, i + 7))
    i = i + 8
  else
    local first, last = i + 2, i + 2 * ARGV[i + 1]
    local keys, n = {}, 0
    for j = first, last, 2 do
      n = n + 1
      keys[n] = prefix .. ARGV[j]
    end
    -- mostly all are new, which one question tells; but an id may come twice in one call
    local all_new = not again and call('EXISTS', unpack(keys)) == 0
    for k = 1, n do
      local key, j = keys[k], first + 2 * k - 2
      at = at + 1
      local refused = not (all_new and not seen[key]) and refusal(key)
      replies[at] = refused or store_pending(key, ARGV[j], ARGV[j + 1])
      seen[key] = true
    end
    i = last + 2
  end
end

local pushed = listed > 0 and redis.pcall('LPUSH', pending, unpack(list))
if type(pushed) == 'table' then
  -- refused: nothing of these tasks stays
  for n, id in ipairs(list) do
    local lock = field(prefix .. id, 'unique_key')
    if lock then call('DEL', lock) end
    call('DEL', prefix .. id)
    replies[places[n]] = { -2, pushed.err }
  end
end
return replies
