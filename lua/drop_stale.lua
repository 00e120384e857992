-- Checks whether an entry of a global key is over, or a key has no time to live, and changes that.
--
-- KEYS[1] asynq:servers, asynq:workers or asynq:schedulers; or a key that must have a time to live
-- ARGV[1] "check" or "repair"
-- ARGV[2] the entry, whose score is until when it counts (unix s); "" for the whole key
-- ARGV[3] the time to live that the key gets (s); "0" if it is deleted
-- Replies 1 if the entry is over or the key has no time to live, otherwise 0
-- use: now
local key, entry, ttl = KEYS[1], ARGV[2], ARGV[3]
local call, repair = redis.call, ARGV[1] == 'repair'
if entry ~= '' then
  local score = call('ZSCORE', key, entry)
  -- A score is in whole seconds: in its second an entry may still count.
  if not score or tonumber(score) >= now_secs then return 0 end
  if repair then call('ZREM', key, entry) end
else
  if call('TTL', key) ~= -1 then return 0 end
  if repair and ttl == '0' then
    call('UNLINK', key)
  elseif repair then
    call('EXPIRE', key, ttl)
  end
end
return 1
