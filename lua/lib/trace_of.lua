-- trace_of(key): what tells that somebody has put a task into a list since: the state in its hash, and since when it has been
-- pending. If both are as they were, nobody has, but with one exception: a program of Go that requeues a task, or runs it at
-- the wish of a user, writes no time.
local function trace_of(key)
  local fields = redis.call('HMGET', key, 'state', 'pending_since')
  return (fields[1] or '') .. ' ' .. (fields[2] or '')
end
