-- Adds an event to the history of a scheduler's entry, and drops the oldest ones.
--
-- KEYS[1] asynq:scheduler_history:<entry id>
-- ARGV[1] when the task was enqueued (unix s)
-- ARGV[2] the event (SchedulerEnqueueEvent)
-- ARGV[3] how many events are kept
-- ARGV[4] time to live of the history (s)
-- Replies how many events there are.
local history, keep = KEYS[1], tonumber(ARGV[3])
-- The most events that are dropped at once, if another program has written more than are kept.
local STEP = 1000
redis.call('ZADD', history, ARGV[1], ARGV[2])
local events = redis.call('ZCARD', history)
if events > keep then
  events = events - redis.call('ZREMRANGEBYRANK', history, 0, math.min(events - keep, STEP) - 1)
end
redis.call('EXPIRE', history, ARGV[4])
return events
