-- Looks at some ids of a list or a set of one queue, or at some names of its groups.
--
-- KEYS[1] the list or set: asynq:{q}:pending, asynq:{q}:groups, …
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:deadlines, in which asynq before v0.24 kept the active tasks
-- ARGV[1] what it is: the state of its tasks; "lease"; or "groups"
-- ARGV[2] prefix of task keys
-- ARGV[3] prefix of group keys
-- ARGV[4] where to begin: how many ids of a list to skip, or the cursor of a set; at first "0"
-- ARGV[5] how many ids or names to look at, about
-- Reads the tasks' hashes, asynq:{q}:g:<group>.
-- Replies {next, word, id, detail, …}: where to go on, "" at the end; and 3 for each id, of these forms
--   "ok" id size        the length of the task's message (bytes). For a name of a group: the number of its tasks.
--                       Nothing is known of the state of a task with a lease
--   "no_task" id ""     there is no such task. For a name of a group: the group has no tasks
--   "state" id state    the task has another state
--   "no_lease" id size  the task is active and has no lease
-- use: field
local place, what, cursor, count = KEYS[1], ARGV[1], ARGV[4], ARGV[5]
local call, try = redis.call, redis.pcall
local reply, n, ids, step = { '' }, 1, nil, 1
if what == 'pending' or what == 'active' then
  local last = cursor + count - 1
  ids = call('LRANGE', place, cursor, string.format('%d', last))
  if #ids == tonumber(count) then reply[1] = string.format('%d', last + 1) end
else
  local page = call(what == 'groups' and 'SSCAN' or 'ZSCAN', place, cursor, 'COUNT', count)
  if page[1] ~= '0' then reply[1] = page[1] end
  ids = page[2]
  if what ~= 'groups' then step = 2 end
end
for i = 1, #ids, step do
  local id = ids[i]
  local word, detail = 'ok', ''
  if what == 'groups' then
    detail = try('ZCARD', ARGV[3] .. id)
    if type(detail) == 'table' or detail == 0 then word, detail = 'no_task', '' end
  else
    local key = ARGV[2] .. id
    detail = try('HSTRLEN', key, 'msg')
    if detail == 0 and call('HEXISTS', key, 'msg') == 0 or type(detail) == 'table' then
      word, detail = 'no_task', ''
    elseif what ~= 'lease' then
      local state = field(key, 'state') or ''
      if state ~= what then
        word, detail = 'state', state
      elseif what == 'active' and not call('ZSCORE', KEYS[2], id) and not call('ZSCORE', KEYS[3], id) then
        word = 'no_lease'
      end
    end
  end
  reply[n + 1], reply[n + 2], reply[n + 3] = word, id, detail
  n = n + 3
end
return reply
