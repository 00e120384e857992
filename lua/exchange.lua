-- Fetches tasks like dequeue.lua, and acknowledges others of the same queue like done.lua, in one call.
--
-- For a few tasks the fixed cost of a call exceeds that of its tasks, so one call is cheaper than two. The
-- fetch and the acknowledgements succeed or fail independently.
--
-- If memory is full, Redis refuses writes that need memory until the script has written something. The fetch
-- comes first and begins with such a write, so Redis refuses the fetch. The acknowledgements begin with a
-- removal, so they pass.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:lease
-- KEYS[4] asynq:{q}:paused
-- KEYS[5] asynq:{q}:processed:<day>
-- KEYS[6] asynq:{q}:processed
-- ARGV[1] prefix of task keys
-- ARGV[2] want: how many tasks to fetch at most
-- ARGV[3] length of a lease (s)
-- ARGV[4] owner token of this call
-- ARGV[5] budget: how many bytes the fetched messages in the reply have at most
-- ARGV[6] whether the reply has the times since when tasks were pending: ARGV[6] of dequeue.lua
-- ARGV[7] when the day's counter expires (unix s)
-- ARGV[8] the range of active in which the done tasks are expected: ARGV[3] of done.lua
-- ARGV[9…] the done tasks: ARGV[4…] of done.lua
-- Touches the hashes of the fetched and of the done tasks. Releases the unique locks of the done tasks.
-- Replies {reply of dequeue.lua, reply of done.lua}. Each of the two may be this instead:
--   {"refused", error}  Redis refused the fetch, or the acknowledgements
-- use: field, owned, remove_active, count, done, dequeue
local active, lease, prefix = KEYS[2], KEYS[3], ARGV[1]
local first_task = 9

local function acknowledge()
  local replies, n = done(active, lease, prefix, ARGV[8], first_task)
  count(KEYS[5], KEYS[6], n, ARGV[7])
  return replies
end

-- An error is a table. Before Redis 7, an error that is raised is text.
local function reply_of(ok, result)
  local err = type(result) == 'table' and result.err
  if not ok and not err then err = tostring(result) end
  return err and { 'refused', err } or result
end

local fetched = reply_of(
  pcall(dequeue, KEYS[1], active, lease, KEYS[4], prefix, ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
)
return { fetched, reply_of(pcall(acknowledge)) }
