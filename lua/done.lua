-- Ends tasks of one queue that succeeded (or were revoked): removed, or kept as completed.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:completed
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] end of life of the day's counter (unix s)
-- ARGV[3] "1" if any of them is kept as completed
-- ARGV[4] where in active to look for them first: "1" at its head, "-1" at its tail
-- ARGV[5…] per task, at most 1,000 of them: id, owner, and "" if nothing more is to be known: it
--          is removed, has no lock, and its lease is valid. Otherwise "more", original message or
--          "", lock's key or "", completed message or "" to remove it, until when it is kept (unix s)
-- Touches the tasks' hashes and their locks.
-- Replies per task: 1 done | 0 no longer held by this run.
-- use: field, held, count
local active, lease, completed = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', lease)
if ARGV[3] == '1' then redis.call('ZCARD', completed) end
local replies, ids, removed = {}, {}, {}
local i = 5
while i <= #ARGV do
  local id, owner, more = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local original, lock, msg, keep_until = '', '', '', ''
  i = i + 3
  if more ~= '' then
    original, lock, msg, keep_until = unpack(ARGV, i, i + 3)
    i = i + 4
  end
  local key = ARGV[1] .. id
  if held(key, id, owner, original, active, ARGV[4]) then
    ids[#ids + 1] = id
    if msg == '' then
      removed[#removed + 1] = key
    else
      redis.call('ZADD', completed, keep_until, id)
      redis.call('HSET', key, 'msg', msg, 'state', 'completed')
      redis.call('HDEL', key, 'rasynq_owner')
    end
    if lock ~= '' and redis.pcall('GET', lock) == id then redis.call('DEL', lock) end
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
if #ids > 0 then redis.call('ZREM', lease, unpack(ids)) end
if #removed > 0 then redis.call('DEL', unpack(removed)) end
count(KEYS[4], KEYS[5], #ids, ARGV[2])
return replies
