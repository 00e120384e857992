-- Archives active tasks of one queue, then trims the archive.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:archived
-- KEYS[4] asynq:{q}:processed:<day>
-- KEYS[5] asynq:{q}:processed
-- KEYS[6] asynq:{q}:failed:<day>
-- KEYS[7] asynq:{q}:failed
-- ARGV[1] prefix of task keys
-- ARGV[2] when the day's counters expire (unix s)
-- ARGV[3] "" if each task is acknowledged by its own run; from a recoverer: how long ago (s) the leases must
--         have expired
-- ARGV[4] how many tasks the archive keeps at most
-- ARGV[5] how long the archive keeps a task (s)
-- ARGV[6…] 5 per task: id proof kept rest counts
--   proof   owner token; from a recoverer: the score of the lease as it was listed
--   kept      how many bytes of the stored message stay; "" leaves all of it
--   rest      what follows these bytes
--   counts    "1" to count a failed run, "0" to count nothing
-- Touches the tasks' hashes, and deletes those of trimmed tasks. A unique lock stays until its TTL is over.
-- Replies per task
--   1  archived
--   0  not archived: the claim is not valid; from a recoverer: the lease has changed
-- use: now, field, owned, take_owned, take, move_to_set, for_each_task, count, count_failed, trim_archive
local active, lease, archived = KEYS[1], KEYS[2], KEYS[3]
local first_task = 6
-- A key of a wrong type fails here, before the first write.
redis.call('ZCARD', archived)
local ids, failed = {}, 0
local replies = for_each_task(ARGV[1], first_task, 5, function(key, id, proof, kept, rest, counts)
  if not take(key, id, proof, active, lease, ARGV[3]) then return false end
  move_to_set(key, id, lease, archived, now_secs, 'archived', kept, rest)
  ids[#ids + 1] = id
  if counts == '1' then failed = failed + 1 end
  return true
end)
count_failed(KEYS[4], KEYS[5], KEYS[6], KEYS[7], failed, ARGV[2])
trim_archive(archived, ARGV[1], ARGV[4], ARGV[5], ids)
return replies
