-- Moves active tasks of one queue to retry or scheduled, to run later.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:retry or asynq:{q}:scheduled
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- KEYS[6] asynq:{q}:failed:<day>
-- KEYS[7] asynq:{q}:failed
-- ARGV[1] prefix of task keys
-- ARGV[2] when the day's counters expire (unix s)
-- ARGV[3] "" if each task is acknowledged by its own run; from a recoverer: how long ago (s) the leases must
--         have expired
-- ARGV[4] state of the tasks in KEYS[3]: retry | scheduled
-- ARGV[5…] 6 per task: id proof delay kept rest counts
--   proof   owner token; from a recoverer: the score of the lease as it was listed
--   delay     how long until the task is due (ms)
--   kept      how many bytes of the stored message stay; "" leaves all of it
--   rest      what follows these bytes
--   counts    "1" to count a failed run, "0" to count nothing
-- Touches the tasks' hashes. A unique lock stays until its TTL is over.
-- Replies per task
--   1  moved
--   0  not moved: the claim is not valid; from a recoverer: the lease has changed
-- use: now, due, field, owned, take_owned, take, move_to_set, for_each_task, count, count_failed
local active, lease, target = KEYS[1], KEYS[2], KEYS[3]
local first_task = 5
-- A key of a wrong type fails here, before the first write.
redis.call('ZCARD', target)
-- A recoverer counts how many runs in a row were lost.
local failed, is_lost = 0, ARGV[3] ~= ''
local replies = for_each_task(ARGV[1], first_task, 6, function(key, id, proof, delay, kept, rest, counts)
  local losses = is_lost and tonumber(field(key, 'rasynq_losses') or '') or 0
  if not take(key, id, proof, active, lease, ARGV[3]) then return false end
  move_to_set(key, id, lease, target, due(delay), ARGV[4], kept, rest)
  if is_lost then redis.call('HSET', key, 'rasynq_losses', string.format('%d', losses + 1)) end
  if counts == '1' then failed = failed + 1 end
  return true
end)
count_failed(KEYS[4], KEYS[5], KEYS[6], KEYS[7], failed, ARGV[2])
return replies
