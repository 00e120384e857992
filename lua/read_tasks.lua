-- Looks up tasks of one queue by their ids.
--
-- KEYS[…] asynq:{q}:t:<id>, at most 500; the last key is asynq:{q}:lease
-- ARGV[1] prefix of task keys
-- ARGV[2] the state that the tasks must have, or "": any
-- ARGV[3] budget (bytes): no more tasks are read once their messages and results exceed it. One task always is
-- Replies {now, msg, result, since, lease, …}, 4 for each task that was read: perhaps not for all
--   now     the time of Redis (unix s)
--   msg     nil if the task is gone or in another state
--   since   the field pending_since
--   lease   when the lease of an active task expires (unix s)
-- use: now, fields, score_of
--
-- All keys that are read are named. While their hash slot moves, a node of a cluster then refuses the call unless it has
-- all of them, instead of showing that some are not there.
local wanted_state, budget, lease = ARGV[2], tonumber(ARGV[3]), KEYS[#KEYS]
local reply, n = { now_secs }, 1
for i = 1, #KEYS - 1 do
  local key = KEYS[i]
  local task = fields(key, 'msg', 'result', 'pending_since', 'state')
  local msg, result, since, state = task[1], task[2], task[3], task[4]
  if not msg or (wanted_state ~= '' and state ~= wanted_state) then msg, result, since = false, false, false end
  budget = budget - #(msg or '') - #(result or '')
  if budget < 0 and n > 1 then break end
  local expires_at = msg and state == 'active' and score_of(lease, string.sub(key, #ARGV[1] + 1))
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = msg, result, since, expires_at
  n = n + 4
end
return reply
