-- Tells a recoverer whether there may be something to recover in one queue.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- KEYS[3] asynq:{q}:aggregation_sets
-- ARGV[1] rasynq:{q}:aggregated. It is not among the keys, so that a user without permission for it can recover
-- Replies {active, leases, expiry, deadline, deletion}
--   active    how many tasks are active
--   leases    how many leases there are
--   expiry    when the first lease expires (unix s); "" without a lease
--   deadline  when the first deadline of an aggregation set is over (unix s); "" without a set; "0" if the key has a
--             wrong type
--   deletion  when the first large set that is aggregated may be deleted by anybody, in the same form; "" without
--             permission
local call, try = redis.call, redis.pcall
local function lowest(key)
  local first = try('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first.err then return string.find(first.err, 'WRONGTYPE', 1, true) and '0' or '' end
  return first[2] or ''
end
local expiry = call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or ''
return { call('LLEN', KEYS[1]), call('ZCARD', KEYS[2]), expiry, lowest(KEYS[3]), lowest(ARGV[1]) }
