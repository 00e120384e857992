-- Deletes tasks of a queue that is set aside, with their unique locks.
-- The caller calls again until none are left, so that no call deletes many tasks.
--
-- KEYS[1] rasynq:{q}:deleted
-- ARGV[1] prefix of task keys
-- ARGV[2] prefix of unique locks
-- ARGV[3] how many tasks to delete at most, at most 1,000 (unpack takes a few thousand values)
-- Touches the lists and sets that KEYS[1] names, the tasks' hashes and locks. The hash of a task whose state is not that
-- of its list or set stays: it may be that of a new task.
-- Replies {tasks, left}: how many ids were removed, and how many lists and sets are left
local deleted, prefix, lock_prefix, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local call, try = redis.call, redis.pcall
-- Empty lists and sets count too, so that a call is bounded however many there are.
local removed, steps = 0, 0
if type(try('SCARD', deleted)) == 'table' then call('UNLINK', deleted) end
while steps < most do
  local aside = call('SRANDMEMBER', deleted)
  if not aside then break end
  -- The name has the form <KEYS[1]>:<call>:<kind>, or <KEYS[1]>:<call>:<kind>:<group>
  local kind = string.match(string.sub(aside, #deleted + 2), '^[^:]*:([^:]*)') or ''
  local state = (kind == 'g' or kind == 's') and 'aggregating' or kind
  local count = string.format('%d', most - steps)
  local is_list, ids = true, try('LRANGE', aside, '-' .. count, '-1')
  if ids.err then is_list, ids = false, try('ZRANGE', aside, '0', string.format('%d', most - steps - 1)) end
  if ids.err then
    call('UNLINK', aside)
    ids = {}
  end
  for _, id in ipairs(ids) do
    local key = prefix .. id
    local fields = try('HMGET', key, 'state', 'unique_key')
    if not fields.err and fields[1] == state then
      local lock = fields[2]
      local is_lock = lock and string.sub(lock, 1, #lock_prefix) == lock_prefix
      if is_lock and try('GET', lock) == id then call('DEL', lock) end
      call('UNLINK', key)
    end
  end
  if is_list and #ids > 0 then
    call('LTRIM', aside, '0', string.format('%d', -#ids - 1))
  elseif #ids > 0 then
    call('ZREM', aside, unpack(ids))
  end
  removed, steps = removed + #ids, steps + #ids + 1
  if call('EXISTS', aside) == 0 then call('SREM', deleted, aside) end
end
return { removed, call('SCARD', deleted) }
