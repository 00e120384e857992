-- arrives_late(mark, attempt, ttl): whether a later attempt of the call with this mark has arrived. If not, the mark
-- names this attempt from now on, for `ttl` s, unless it is the first one.
local function arrives_late(mark, attempt, ttl)
  local number = tonumber(attempt)
  local newest = tonumber(redis.pcall('GET', mark) or 0)
  if newest and number < newest then return true end
  -- What refuses the mark also refuses the writes that follow, unless only the permission for the mark is missing.
  if number > 1 then redis.pcall('SET', mark, attempt, 'EX', ttl) end
  return false
end
