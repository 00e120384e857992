-- Looks at some ids of a list or a set of one queue, or at some names of its groups.
--
-- KEYS[1] the list or set: asynq:{q}:pending, asynq:{q}:groups, …
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:deadlines, in which asynq before v0.24 kept the active tasks
-- ARGV[1] what it is: the state of its tasks; "lease"; or "groups"
-- ARGV[2] prefix of task keys
-- ARGV[3] prefix of group keys
-- ARGV[4] where to begin: in a list the index and, after a space, the id before it, as the last call has replied them; or
--         the cursor of a set; at first "0"
-- ARGV[5] how many ids or names to look at, about
-- Reads the tasks' hashes, asynq:{q}:g:<group>.
-- Replies {next, word, id, detail, …}: where to go on, "" at the end; and 3 for each id, of these forms
--   "ok" id size              the length of the task's message (bytes). For a name of a group: the number of its tasks.
--                             Nothing is known of the state of a task with a lease
--   "no_task" id ""           there is no such task. For a name of a group: the group has no tasks
--   "state" id "size state"   the task has another state
--   "no_lease" id size        the task is active and has no lease
--   "wrong_type" key type     this key has another type than it should
--   "moved" place ""          first of all: the id before these is not in the list any more, and the list has moved.
--                             So ids of earlier calls may come again
-- use: field
local place, what, cursor, count = KEYS[1], ARGV[1], ARGV[4], tonumber(ARGV[5])
-- A list may have moved by so many ids since the last call: then no id comes twice, and none is left out.
local MOVED_LEFT, MOVED_RIGHT = 100, 500
local call, try = redis.call, redis.pcall
local reply, n, step = { '' }, 1, 1

-- The next ids of the list. The id before them is looked for near the place where it was.
local function list_page()
  local index, before = string.match(cursor, '^(%d+) ?(.*)$')
  index = tonumber(index)
  local start = index == 0 and 0 or math.max(0, index - MOVED_LEFT)
  local near = try('LRANGE', place, start, index + count + MOVED_RIGHT - 1)
  if near.err then return near end
  local first = index - start + 1
  for i = math.max(1, first - 1), first + MOVED_RIGHT do
    if index > 0 and near[i] == before then
      first = i + 1
      break
    end
  end
  if index > 0 and near[first - 1] ~= before then
    for i = math.min(first - 2, #near), 1, -1 do
      if near[i] == before then
        first = i + 1
        break
      end
    end
  end
  if index > 0 and near[first - 1] ~= before then
    -- Many tasks were enqueued or deleted in one go. The search begins at the nearer end.
    local rank = index > call('LLEN', place) / 2 and -1 or 1
    local at = call('LPOS', place, before, 'RANK', rank)
    if at then
      start, first = at + 1, 1
      near = call('LRANGE', place, start, start + count - 1)
    else
      reply[2], reply[3], reply[4] = 'moved', place, ''
      n = 4
    end
  end
  local page = {}
  for i = first, math.min(#near, first + count - 1) do page[#page + 1] = near[i] end
  if #page == count then reply[1] = string.format('%d ', start + first - 1 + count) .. page[count] end
  return page
end
local function set_page()
  local page = try(what == 'groups' and 'SSCAN' or 'ZSCAN', place, cursor, 'COUNT', ARGV[5])
  if page.err then return page end
  if page[1] ~= '0' then reply[1] = page[1] end
  if what ~= 'groups' then step = 2 end
  return page[2]
end
-- Whether a sorted set has the id. A key of another type says nothing, and counts as if it had it.
local function may_have(key, id)
  local score = try('ZSCORE', key, id)
  return score and true or false
end

local is_list = what == 'pending' or what == 'active'
local ids = is_list and list_page() or set_page()
if ids.err then
  local found = call('TYPE', place).ok
  if string.find(ids.err, 'WRONGTYPE', 1, true) then return { '', 'wrong_type', place, found } end
  return ids
end
for i = 1, #ids, step do
  local id = ids[i]
  local word, name, detail = 'ok', id, ''
  if what == 'groups' then
    detail = try('ZCARD', ARGV[3] .. id)
    if type(detail) == 'table' then
      word, name = 'wrong_type', ARGV[3] .. id
      detail = call('TYPE', name).ok
    elseif detail == 0 then
      word, detail = 'no_task', ''
    end
  else
    local key = ARGV[2] .. id
    detail = try('HSTRLEN', key, 'msg')
    if detail == 0 and call('HEXISTS', key, 'msg') == 0 or type(detail) == 'table' then
      word, detail = 'no_task', ''
    elseif what ~= 'lease' then
      local state = field(key, 'state') or ''
      if state ~= what then
        word, detail = 'state', string.format('%d ', detail) .. state
      elseif what == 'active' and not may_have(KEYS[2], id) and not may_have(KEYS[3], id) then
        word = 'no_lease'
      end
    end
  end
  reply[n + 1], reply[n + 2], reply[n + 3] = word, name, detail
  n = n + 3
end
return reply
