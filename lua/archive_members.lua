-- Moves tasks from an aggregation set to the archive, then trims the archive.
--
-- KEYS[1] asynq:{q}:g:<group>:<set id>, the set
-- KEYS[2] asynq:{q}:archived
-- ARGV[1] prefix of task keys
-- ARGV[2] how many tasks the archive keeps at most
-- ARGV[3] how long the archive keeps a task (s)
-- ARGV[4…] 2 per task: id, message to store; "" leaves the message as it is
-- Touches the tasks' hashes, and deletes those of trimmed tasks. A unique lock stays until its TTL is over.
-- Replies how many tasks were archived. The others are gone or in another state, or the set does not have them any more
-- use: now, field, trim_archive
local set, archived, prefix = KEYS[1], KEYS[2], ARGV[1]
local first_task = 4
local call = redis.call
-- A key of a wrong type fails here, before the first write.
call('ZCARD', archived)
local ids = {}
for i = first_task, #ARGV, 2 do
  local id, msg, key = ARGV[i], ARGV[i + 1], prefix .. ARGV[i]
  local is_aggregating = field(key, 'state') == 'aggregating'
  -- A removal comes first: after it Redis refuses nothing, even if memory is full.
  if call('ZREM', set, id) == 1 and is_aggregating then
    call('ZADD', archived, now_secs, id)
    call('HSET', key, 'state', 'archived')
    if msg ~= '' then call('HSET', key, 'msg', msg) end
    -- A Go forwarder would add it to its group again, if somebody runs it and it fails.
    call('HDEL', key, 'group')
    ids[#ids + 1] = id
  end
end
trim_archive(archived, prefix, ARGV[2], ARGV[3], ids)
return #ids
