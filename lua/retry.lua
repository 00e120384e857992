-- Puts active tasks of one queue off until later: after a failure, uncounted, or given back.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:retry or asynq:{q}:scheduled
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- KEYS[6] asynq:{q}:failed:<day>
-- KEYS[7] asynq:{q}:failed
-- ARGV[1] prefix of task keys
-- ARGV[2] end of life of the day's counters (unix s)
-- ARGV[3] "" for a task's own worker; a recoverer: for how long (s) a lease must have ended
-- ARGV[4] their new state, that of KEYS[3]: retry | scheduled
-- ARGV[5…] per task 6: id, owner, original message or "", at (unix s), message to store or "" to
--          leave it, "1" if it counts as a failure
-- Touches the tasks' hashes. The lock stays.
-- Replies per task: 1 put off | 0 not held (any more).
-- use: now, field, owned, take_held, take_lapsed, take, count, count_failed
local active, lease, target = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', lease)
redis.call('ZCARD', target)
local cutoff = ARGV[3] ~= '' and now_secs - tonumber(ARGV[3])
local replies, failed = {}, 0
for i = 5, #ARGV, 6 do
  local id, owner, original, at, msg, counts = unpack(ARGV, i, i + 5)
  local key = ARGV[1] .. id
  if take(key, id, owner, original, active, lease, cutoff) then
    redis.call('ZREM', lease, id)
    redis.call('ZADD', target, at, id)
    redis.call('HSET', key, 'state', ARGV[4])
    if msg ~= '' then redis.call('HSET', key, 'msg', msg) end
    redis.call('HDEL', key, 'rasynq_owner')
    if counts == '1' then failed = failed + 1 end
    replies[#replies + 1] = 1
  else
    replies[#replies + 1] = 0
  end
end
count_failed(KEYS[4], KEYS[5], KEYS[6], KEYS[7], failed, ARGV[2])
return replies
