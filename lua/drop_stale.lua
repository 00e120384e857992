-- Removes a member of a global key that is over; or deletes a key that has no time to live, or gives it one.
--
-- KEYS[1] asynq:servers, asynq:workers or asynq:schedulers; or a key that is stale if it has no time to live
-- ARGV[1] the member, whose score is until when it counts (unix s); "" for the whole key
-- ARGV[2] the time to live that the key gets (s); "0" if it is deleted
-- Replies 1 if the member was over or the key had no time to live, otherwise 0
-- use: now
local key, member, ttl = KEYS[1], ARGV[1], ARGV[2]
local call = redis.call
if member ~= '' then
  local score = call('ZSCORE', key, member)
  -- A score is in whole seconds: in its second a member may still count.
  if not score or tonumber(score) >= now_secs then return 0 end
  call('ZREM', key, member)
else
  if call('TTL', key) ~= -1 then return 0 end
  if ttl == '0' then call('UNLINK', key) else call('EXPIRE', key, ttl) end
end
return 1
