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
-- ARGV[5…] the tasks, at most 1,000, in parts. "new" or "pending", how many they are, and id and msg of
--          each: pending tasks of which nothing more is to be known; "new" if nobody else can have
--          their ids, which come once each in either case. Or "more" and a single task: id, msg,
--          state (pending | scheduled | aggregating), process-at (s), group or "", lock's key or "",
--          lock's TTL (s)
-- Touches the tasks' hashes, their locks, asynq:{q}:g:<group>.
-- Replies an error, with nothing stored, if asynq:queues cannot be written. How many tasks there are, if
-- all are stored. Otherwise per task: 1 stored | 0 its id is taken | {-1, holder} a duplicate
-- | {-2, error} refused by Redis | {-3, msg} in an earlier call's wake: there is a task of this id, with
-- this message.
-- use: now, nanos, field
local pending, scheduled, groups = KEYS[1], KEYS[2], KEYS[3]
local prefix, again = ARGV[1], ARGV[4] == '1'
local call, try = redis.call, redis.pcall
-- every time, for it may have been deleted a moment ago; refused, nothing is stored
local known = KEYS[4] and try('SADD', KEYS[4], ARGV[3])
if type(known) == 'table' then
  known.err = known.err .. ': SADD ' .. KEYS[4]
  return known
end

-- the ids of pending tasks, which are all pushed at once in the end
local list, listed = {}, 0
-- answers other than 1, and which tasks are stored elsewhere, by place
local replies, elsewhere, all_stored = {}, {}, true
-- what this call has stored, or an earlier one for it, by key: an id may come twice
local stored = {}
-- a loop without functions: to make those would take as long as to store a task
local n, plain, all_new = 0, 0, false
local i = 5
while i <= #ARGV do
  local id, msg, key, state, at, group, lock, ttl
  if plain == 0 and ARGV[i] == 'more' then
    id, msg, state, at, group, lock, ttl = unpack(ARGV, i + 1, i + 7)
    key = prefix .. id
    if lock == '' then lock = nil end
    all_new = false
    i = i + 8
  else
    if plain == 0 then
      all_new = not again and ARGV[i] == 'new'
      plain = tonumber(ARGV[i + 1])
      i = i + 2
      if not again and not all_new then
        -- mostly all of them are new, which one question tells
        local keys = {}
        for k = 1, plain do keys[k] = prefix .. ARGV[i + 2 * k - 2] end
        all_new = call('EXISTS', unpack(keys)) == 0
      end
    end
    id, msg, state = ARGV[i], ARGV[i + 1], 'pending'
    key = prefix .. id
    plain = plain - 1
    i = i + 2
  end
  n = n + 1

  -- may it be stored?
  local reply
  if not all_new then
    local found = again and field(key, 'msg')
    local holder = not found and lock and try('GET', lock)
    if stored[key] then
      reply = 0
    elseif found then
      reply, stored[key] = { -3, found }, true
    elseif type(holder) == 'string' then
      reply = { -1, holder }
    elseif holder then
      reply = string.find(holder.err, 'WRONGTYPE', 1, true) and { -1, '' } or { -2, holder.err }
    elseif call('EXISTS', key) == 1 then
      reply = 0
    end
    if not reply and lock then
      local taken = try('SET', lock, id, 'EX', ttl)
      if taken.err then reply = { -2, taken.err } end
    end
  end

  -- Stored. What Redis may refuse comes before the task's other fields; the lock is given back here.
  -- Pending tasks get their hash now and their place in the list below, where a refusal undoes both.
  if not reply then
    local written
    if state == 'pending' then
      written = try('HSET', key, 'msg', msg, 'state', 'pending', 'pending_since', now_nanos)
    elseif state == 'scheduled' then
      written = try('ZADD', scheduled, at, id)
    else
      written = try('SADD', groups, group)
      if type(written) ~= 'table' then
        local is_new = written == 1
        written = try('ZADD', ARGV[2] .. group, now_secs, id)
        if type(written) == 'table' and is_new then call('SREM', groups, group) end
      end
    end
    if written ~= 3 and type(written) == 'table' then
      reply = { -2, written.err .. ': ' .. (state == 'pending' and key or state == 'scheduled' and scheduled or groups) }
      if lock then call('DEL', lock) end
    elseif all_new then
      listed = listed + 1
      list[listed] = id
    else
      stored[key] = true
      if state == 'pending' then
        listed = listed + 1
        list[listed] = id
      else
        elsewhere[n] = true
        call('HSET', key, 'msg', msg, 'state', state)
      end
      if lock then call('HSET', key, 'unique_key', lock) end
      if state == 'aggregating' then
        call('HSET', key, 'group', group)
      elseif state == 'scheduled' and group ~= '' then
        -- not in `group`: a Go forwarder would strand the task in a group that nobody lists
        call('HSET', key, 'rasynq_group', group)
      end
    end
  end
  if reply then replies[n], all_stored = reply, false end
end

local pushed = listed > 0 and try('LPUSH', pending, unpack(list))
if type(pushed) == 'table' then
  -- refused: nothing of these tasks stays
  local k = 1
  for place = 1, n do
    if not replies[place] and not elsewhere[place] then
      local key = prefix .. list[k]
      local lock = field(key, 'unique_key')
      if lock then call('DEL', lock) end
      call('DEL', key)
      replies[place], all_stored = { -2, pushed.err .. ': ' .. pending }, false
      k = k + 1
    end
  end
end
if all_stored then return n end
for place = 1, n do replies[place] = replies[place] or 1 end
return replies
