-- Removes an entry of a global key that is over, or gives a key a time to live that has none.
--
-- KEYS[1] asynq:servers, asynq:workers or asynq:schedulers; or a key that must have a time to live
-- ARGV[1] the entry, whose score is until when it counts (unix s); "" for the whole key
-- ARGV[2] the time to live that the key gets (s); "0" if it is deleted
-- Replies 1 if the entry was over or the key had no time to live, otherwise 0
-- use: now
local key, entry, ttl = KEYS[1], ARGV[1], ARGV[2]
local call = redis.call
if entry ~= '' then
  local score = call('ZSCORE', key, entry)
  -- A score is in whole seconds: in its second an entry may still count.
  if not score or tonumber(score) >= now_secs then return 0 end
  call('ZREM', key, entry)
else
  if call('TTL', key) ~= -1 then return 0 end
  if ttl == '0' then call('UNLINK', key) else call('EXPIRE', key, ttl) end
end
return 1
