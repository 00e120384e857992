-- Ends and removes tasks of one queue that succeeded (or were revoked) and are not kept.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:processed:<day>
-- KEYS[4] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] end of life of the day's counter (unix s)
-- ARGV[3] where in active to look for them first: among so many at its head, or minus so many at its
--         tail; not 0
-- ARGV[4…] the tasks, at most 1,000, in parts. A part begins with the owner of all its tasks. Then,
--          for tasks without a lock whose lease is valid: how many they are, and their ids. Or
--          "more" and a single task: id, original message or "", lock's key or ""
-- Touches the tasks' hashes and their locks.
-- Replies per task: 1 done | 0 no longer held by this run.
-- use: field, owned, withdraw, count
local active, lease = KEYS[1], KEYS[2]
local prefix, call, try = ARGV[1], redis.call, redis.pcall
call('ZCARD', lease)

-- what is still owned: ids, their keys, their places among the replies, and locks
local replies, n = {}, 0
local ids, keys, places, locks, mine = {}, {}, {}, {}, 0
local i = 4
while i <= #ARGV do
  local owner, many = ARGV[i], ARGV[i + 1]
  local first, last, original, lock = i + 2, i + 1, '', ''
  if many == 'more' then
    last, original, lock = i + 2, ARGV[i + 3], ARGV[i + 4]
    i = i + 5
  else
    last = i + 1 + many
    i = last + 1
  end
  for j = first, last do
    local id = ARGV[j]
    local key = prefix .. id
    n = n + 1
    -- The same question as in owned(), without a call for each task, as this is the way of most; what
    -- fails it is asked in full.
    if original == '' and try('HGET', key, 'rasynq_owner') == owner or owned(key, owner, original) then
      mine = mine + 1
      ids[mine], keys[mine], places[mine] = id, key, n
      if lock ~= '' then locks[id] = lock end
      replies[n] = 1
    else
      replies[n] = 0
    end
  end
end

local left, missing = withdraw(active, ids, tonumber(ARGV[3]))
-- what was not in active is answered 0 and keeps its hash; of an id that came twice, the last
for k = mine, 1, -1 do
  if left == 0 then break end
  local id = ids[k]
  if missing[id] > 0 then
    missing[id], left, replies[places[k]] = missing[id] - 1, left - 1, 0
    table.remove(ids, k)
    table.remove(keys, k)
  end
end
for _, id in ipairs(next(locks) and ids or {}) do
  local lock = locks[id]
  if lock and try('GET', lock) == id then call('DEL', lock) end
end
if #ids > 0 then
  call('ZREM', lease, unpack(ids))
  call('DEL', unpack(keys))
end
count(KEYS[3], KEYS[4], #ids, ARGV[2])
return replies
