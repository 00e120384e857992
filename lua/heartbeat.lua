-- Writes what a server tells of itself and of the tasks that it runs.
--
-- KEYS[1] asynq:servers:{host:pid:server_id}
-- KEYS[2] asynq:workers:{host:pid:server_id}
-- ARGV[1] time to live (s)
-- ARGV[2] ServerInfo
-- ARGV[3…] per task 2: id, WorkerInfo
-- Replies 1.
redis.call('SETEX', KEYS[1], ARGV[1], ARGV[2])
redis.call('DEL', KEYS[2])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if #ARGV > 2 then redis.call('EXPIRE', KEYS[2], ARGV[1]) end
return 1
