-- Looks up tasks of one queue by their ids.
--
-- KEYS[1] asynq:{q}:lease
-- ARGV[1] prefix of task keys
-- ARGV[2] the state that the tasks must have, or "": any
-- ARGV[3] budget (bytes): no more tasks are read once their messages and results exceed it. One task always is
-- ARGV[4…] the task ids
-- Reads the tasks' hashes.
-- Replies {now, msg, result, since, lease, …}, 4 for each task that was read: perhaps not for all
--   now     the time of Redis (unix s)
--   msg     nil if the task is gone or in another state
--   since   the field pending_since
--   lease   when the lease of an active task expires (unix s)
-- use: now
local state, budget = ARGV[2], tonumber(ARGV[3])
local first_id = 4
local reply, n = { now_secs }, 1
for i = first_id, #ARGV do
  local key = ARGV[1] .. ARGV[i]
  local task = redis.pcall('HMGET', key, 'msg', 'result', 'pending_since', 'state')
  if task.err then
    -- A key of a wrong type is no task. Any other error is raised.
    if not string.find(task.err, 'WRONGTYPE', 1, true) then redis.call('HMGET', key, 'msg') end
    task = { false, false, false, false }
  end
  local msg, result, since = task[1], task[2], task[3]
  if not msg or (state ~= '' and task[4] ~= state) then msg, result, since = false, false, false end
  budget = budget - #(msg or '') - #(result or '')
  if budget < 0 and n > 1 then break end
  local lease = msg and task[4] == 'active' and redis.call('ZSCORE', KEYS[1], ARGV[i]) or false
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = msg, result, since, lease
  n = n + 4
end
return reply
