-- Archives active tasks of one queue, then trims the archive, a bounded number at a time.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:archived
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- KEYS[6] asynq:{q}:failed:<day>
-- KEYS[7] asynq:{q}:failed
-- ARGV[1] prefix of task keys
-- ARGV[2] end of life of the day's counters (unix s)
-- ARGV[3] "" for a task's own worker; a recoverer: for how long (s) a lease must have ended
-- ARGV[4] the most that the archive holds
-- ARGV[5] how long it holds them (s)
-- ARGV[6…] per task 5: id, owner, original message or "", message to store or "" to leave it,
--          "1" if it counts as a failure
-- Touches the tasks' hashes, and those of the tasks that are trimmed. The lock stays until its TTL.
-- Replies per task: 1 archived | 0 not held (any more).
-- use: now, field, owned, take_held, take_lapsed, take, count, count_failed
local active, lease, archived = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', lease)
redis.call('ZCARD', archived)
local cutoff = ARGV[3] ~= '' and now_secs - tonumber(ARGV[3])
local replies, stored, failed = {}, {}, 0
for i = 6, #ARGV, 5 do
  local id, owner, original, msg, counts = unpack(ARGV, i, i + 4)
  local key = ARGV[1] .. id
  if take(key, id, owner, original, active, lease, cutoff) then
    redis.call('ZREM', lease, id)
    redis.call('ZADD', archived, now_secs, id)
    redis.call('HSET', key, 'state', 'archived')
    if msg ~= '' then redis.call('HSET', key, 'msg', msg) end
    redis.call('HDEL', key, 'rasynq_owner')
    stored[#stored + 1] = id
    stored[id] = true
    if counts == '1' then failed = failed + 1 end
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
count_failed(KEYS[4], KEYS[5], KEYS[6], KEYS[7], failed, ARGV[2])

-- An archive far over its limits shrinks by 1,000 with each call rather than stop Redis for all.
local function drop(ids)
  if #ids == 0 then return end
  redis.call('ZREM', archived, unpack(ids))
  for _, id in ipairs(ids) do redis.call('DEL', ARGV[1] .. id) end
end
-- The oldest of an archive that holds too many. Scores are seconds: within one, what this call
-- archived is younger than the rest, and among its own the order of the call decides.
local function surplus()
  local excess = math.min(redis.call('ZCARD', archived) - tonumber(ARGV[4]), 1000)
  local ids = {}
  if excess <= 0 then return ids end
  for _, id in ipairs(redis.call('ZRANGE', archived, 0, excess + #stored - 1)) do
    if #ids < excess and not stored[id] then ids[#ids + 1] = id end
  end
  for _, id in ipairs(stored) do
    if #ids < excess then ids[#ids + 1] = id end
  end
  return ids
end
if #stored > 0 then
  drop(redis.call('ZRANGEBYSCORE', archived, '-inf', now_secs - tonumber(ARGV[5]), 'LIMIT', 0, 1000))
  drop(surplus())
end
return replies
