-- Looks up all that is known of one task.
--
-- KEYS[1] asynq:{q}:t:<id>
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:scheduled
-- KEYS[4] asynq:{q}:retry
-- KEYS[5] asynq:{q}:archived
-- KEYS[6] asynq:{q}:completed
-- ARGV[1] task id
-- ARGV[2] prefix of group keys
-- Reads the task's group.
-- Replies {now, msg, state, result, since, group, later group, lock, owner, lease, score}, each as text or nil; nil if there
-- is no such task
--   now          the time of Redis (unix s)
--   since        the field pending_since
--   group        the group in which it waits
--   later group  the group that it joins when it is due
--   lock         the key of its unique lock
--   owner        the field rasynq_owner
--   lease        when its lease expires (unix s)
--   score        that of its place, if it is in a sorted set
-- use: now, score_of
local names = { 'msg', 'state', 'result', 'pending_since', 'group', 'rasynq_group', 'unique_key', 'rasynq_owner' }
local task = redis.call('HMGET', KEYS[1], unpack(names))
if not task[1] then return false end
local state, group = task[2], task[5]
local sets = { scheduled = KEYS[3], retry = KEYS[4], archived = KEYS[5], completed = KEYS[6] }
local set = sets[state] or (state == 'aggregating' and group and ARGV[2] .. group)
local reply = { now_secs }
for i = 1, #names do reply[i + 1] = task[i] end
reply[#names + 2] = score_of(KEYS[2], ARGV[1])
reply[#names + 3] = set and score_of(set, ARGV[1])
return reply
