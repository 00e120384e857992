-- Writes the state of a server and of the tasks it runs.
--
-- KEYS[1] asynq:servers:{host:pid:server_id}
-- KEYS[2] asynq:workers:{host:pid:server_id}
-- ARGV[1] time to live of both keys (s)
-- ARGV[2] ServerInfo
-- ARGV[3…] 2 per task: id WorkerInfo
-- Replies 1.
local first_task = 3
redis.call('SETEX', KEYS[1], ARGV[1], ARGV[2])
redis.call('DEL', KEYS[2])
for i = first_task, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if #ARGV >= first_task then redis.call('EXPIRE', KEYS[2], ARGV[1]) end
return 1
