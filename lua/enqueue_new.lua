-- Stores new pending tasks of one queue, whose ids the client has drawn at random.
-- No other task can have these ids. This is the first attempt of the most common enqueue, so the script is short.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:queues; omitted if it may lie in another hash slot (in a cluster)
-- ARGV[1] prefix of task keys
-- ARGV[2] name of the queue
-- ARGV[3] rasynq:{q}:enqueue:<call>, the mark of the enqueue: it exists if a later attempt has arrived. It is
--         not among the keys, so that a user without permission for it can enqueue
-- ARGV[4] the time (unix ns), for pending_since, by which Go programs show how long a task has waited
-- ARGV[5…] the tasks, at most 1,000 (unpack takes a few thousand values): (id msg)×n
-- Touches the tasks' hashes.
-- Replies one of
--   an error           no task is stored: a later attempt has arrived before this one, or asynq:queues cannot
--                      be written
--   number of tasks    all are stored
--   a list, per task:
--     1             stored
--     {-2, error}   not stored: refused by Redis
local pending, prefix, now_nanos = KEYS[1], ARGV[1], ARGV[4]
local first_task = 5
local call, try = redis.call, redis.pcall
-- An attempt has no effect once a later one has arrived: the tasks may have run and been deleted since.
if try('EXISTS', ARGV[3]) == 1 then
  return redis.error_reply('ERR a later attempt of this enqueue has arrived before')
end
-- Register the queue with every call: another client may just have deleted it.
local registered = KEYS[2] and try('SADD', KEYS[2], ARGV[2])
if type(registered) == 'table' then
  registered.err = registered.err .. ': SADD ' .. KEYS[2]
  return registered
end

-- `refusals`, by index of the task: why Redis refused it.
local ids, stored, refusals = {}, 0, nil
for i = first_task, #ARGV, 2 do
  local id = ARGV[i]
  local key = prefix .. id
  local written = try('HSET', key, 'msg', ARGV[i + 1], 'state', 'pending', 'pending_since', now_nanos)
  if type(written) == 'table' then
    refusals = refusals or {}
    refusals[(i - first_task) / 2 + 1] = written.err .. ': ' .. key
  else
    stored = stored + 1
    ids[stored] = id
  end
end

-- All ids are pushed at once. If Redis refuses the push, the hashes are deleted.
local pushed = stored > 0 and try('LPUSH', pending, unpack(ids))
if not refusals and type(pushed) ~= 'table' then return stored end
local replies = {}
for index = 1, (#ARGV - first_task + 1) / 2 do
  local refusal = refusals and refusals[index]
  if not refusal and type(pushed) == 'table' then
    call('DEL', prefix .. ARGV[first_task + 2 * index - 2])
    refusal = pushed.err .. ': ' .. pending
  end
  replies[index] = refusal and { -2, refusal } or 1
end
return replies
