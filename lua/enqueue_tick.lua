-- Stores the task of one tick of a scheduler's entry, and notes the tick, so that no other scheduler stores one.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:groups
-- KEYS[4] rasynq:{q}:tick:<entry key>, the note: <last tick (unix s)>:<fencing>:<anchor (unix s)>:<task id>
-- KEYS[5] asynq:queues; omitted if it may lie in another hash slot (in a cluster)
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of group keys
-- ARGV[3] name of the queue
-- ARGV[4] rasynq:{q}:enqueue:<call>, the mark of the call: see enqueue.lua
-- ARGV[5] number of this attempt, from 1
-- ARGV[6] how long the mark is kept (s)
-- ARGV[7] the tick (unix s)
-- ARGV[8] fencing number of the scheduler that leads the entry
-- ARGV[9] how long the note is kept (s)
-- ARGV[10…] the task, in the form "more" of enqueue.lua
-- Touches the task's hash, its unique lock, asynq:{q}:g:<group>.
-- Replies one of
--   an error      nothing is stored: see enqueue.lua, or Redis refuses the note
--   1             stored by this attempt or an earlier one
--   a list of one
--     0             not stored, but noted: another task has this id
--     {-1, holder}  not stored, but noted: the task with the id `holder` has the unique lock
--     {-2, error}   not stored: refused by Redis
--     {-4, ms}      not stored: the tick is this much later
--     {-5, note}    not stored: the note has this tick or a later one, or a higher fencing number
-- use: now, now_ms, nanos, due, field, read_note, arrives_late, enqueue
local first_task = 10
local try, note = redis.pcall, KEYS[4]
local tick, fencing, task_id = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[first_task + 1]
local early_ms = tick * 1000 - now_ms
if early_ms > 0 then return { { -4, early_ms } } end

local old = try('GET', note)
if type(old) == 'table' then return redis.error_reply(old.err .. ': GET ' .. note) end
local last, noted_by, anchor, noted_id = read_note(old)
if last == tick and noted_by == fencing then
  -- An earlier attempt has noted the tick, with the task that it stored. Without one, it was told of a duplicate or
  -- a conflict, and this attempt finds out which.
  if noted_id == task_id then return 1 end
  if noted_id ~= '' then return { { -5, old } } end
elseif last and (last >= tick or noted_by > fencing) then
  return { { -5, old } }
end
if arrives_late(ARGV[4], ARGV[5], ARGV[6]) then
  return redis.error_reply('ERR a later attempt of this enqueue has arrived before')
end

-- Writes the note. Without an older note, the tick becomes the anchor: that keeps the phase of the ticks.
local function write_note(id)
  local text = string.format('%d:%d:%d:', tick, fencing, anchor or tick) .. id
  return try('SET', note, text, 'EX', ARGV[9])
end
-- The note comes first: a task without a note could be stored twice.
local written = write_note(task_id)
if written.err then return redis.error_reply(written.err .. ': SET ' .. note) end
local reply = enqueue(KEYS[1], KEYS[2], KEYS[3], KEYS[5], ARGV[1], ARGV[2], ARGV[3], false, ARGV, first_task)
if reply == 1 then return 1 end
if reply.err or type(reply[1]) == 'table' and reply[1][1] == -2 then
  if old then redis.call('SET', note, old, 'KEEPTTL') else redis.call('DEL', note) end
else
  write_note('')
end
return reply
