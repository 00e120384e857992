-- move_oldest(from, to, count): moves the first `count` members of one sorted set to another, with their scores, at most
-- 1,000 (unpack takes a few thousand values). Returns how many there were.
local function move_oldest(from, to, count)
  local members, scored = redis.call('ZRANGE', from, 0, count - 1, 'WITHSCORES'), {}
  for i = 1, #members, 2 do scored[i], scored[i + 1] = members[i + 1], members[i] end
  if #members == 0 then return 0 end
  redis.call('ZADD', to, unpack(scored))
  redis.call('ZREMRANGEBYRANK', from, 0, count - 1)
  return #members / 2
end
