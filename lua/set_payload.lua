-- Replaces the message of a scheduled task by one with another payload. The unique lock moves to the new payload.
--
-- KEYS[1] asynq:{q}:t:<id>
-- KEYS[2] asynq:{q}:unique:<type>:<digest>, the lock of the new payload
-- ARGV[1] id
-- ARGV[2] SHA-1 of the message that the caller has read
-- ARGV[3] the new message
-- ARGV[4] the key of the lock that the caller's message names; "" for none
-- Touches the old lock.
-- Replies one of
--   1            replaced
--   0            there is no such task
--   2            the message has changed since the caller read it
--   state        the task is in this state
--   {holder}     another task holds the lock of the new payload; "" if its key has a wrong type
-- use: field
local key, new_lock, id, old_lock = KEYS[1], KEYS[2], ARGV[1], ARGV[4]
local call, try = redis.call, redis.pcall
local msg, state = field(key, 'msg'), field(key, 'state')
if not msg then return 0 end
if state ~= 'scheduled' then return state or '' end
if redis.sha1hex(msg) ~= ARGV[2] then return 2 end
if old_lock == '' or old_lock == new_lock then
  call('HSET', key, 'msg', ARGV[3])
  return 1
end
-- A lock that has expired, or is another task's, does not move. Then only the name changes.
if try('GET', old_lock) == id then
  local holder = try('GET', new_lock)
  if type(holder) == 'table' then return { '' } end
  if holder and holder ~= id then return { holder } end
  local left = call('PTTL', old_lock)
  -- If memory is full, Redis refuses this write, and nothing has changed.
  if left >= 0 then call('SET', new_lock, id, 'PX', math.max(left, 1)) else call('SET', new_lock, id) end
  call('DEL', old_lock)
end
call('HSET', key, 'msg', ARGV[3], 'unique_key', new_lock)
return 1
