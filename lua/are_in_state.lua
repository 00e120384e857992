-- Tells which tasks of one queue are in a state.
--
-- KEYS[…] asynq:{q}:t:<id>, at most 500
-- ARGV[1] the state
-- Replies 1 or 0 per key: whether there is such a task, and it is in the state
-- use: field
local call = redis.call
local reply = {}
for i, key in ipairs(KEYS) do
  local is_in_state = field(key, 'state') == ARGV[1] and call('HEXISTS', key, 'msg') == 1
  reply[i] = is_in_state and 1 or 0
end
return reply
