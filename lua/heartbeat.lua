-- Writes the state of a server, and what has changed among the tasks that it runs.
--
-- KEYS[1] asynq:servers:{host:pid:server_id}
-- KEYS[2] asynq:workers:{host:pid:server_id}
-- ARGV[1] time to live of both keys (s)
-- ARGV[2] ServerInfo
-- ARGV[3] how many tasks KEYS[2] must have before; "" changes no task
-- ARGV[4…] 2 per changed task: id WorkerInfo; "" as the WorkerInfo: the task runs no more
-- Replies {found, time}; time is that of Redis (unix ms), found one of
--   1  written
--   0  only KEYS[1] was written: KEYS[2] has another number of tasks, because it expired or Redis lost data
-- use: now
local first_task = 4
local now_ms = now_secs * 1000 + math.floor(time[2] / 1000)
redis.call('SETEX', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] == '0' and #ARGV < first_task then return {1, now_ms} end
local tasks = redis.call('HLEN', KEYS[2])
if ARGV[3] ~= '' and tasks ~= tonumber(ARGV[3]) then return {0, now_ms} end
for i = first_task, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
if tasks > 0 or #ARGV >= first_task then redis.call('EXPIRE', KEYS[2], ARGV[1]) end
return {1, now_ms}
