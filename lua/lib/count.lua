-- count(day, total, n, expire_at): adds `n` to the day's and the total counter; a day's counter
-- that begins gets its end of life (s). A total that would pass the largest int64 begins anew, and
-- that is what is returned. A counter of a wrong type never fails the tasks that are counted.
local function count(day, total, n, expire_at)
  if n == 0 then return false end
  local more = string.format('%d', n)
  if redis.pcall('INCRBY', day, more) == n then redis.call('EXPIREAT', day, expire_at) end
  local sum = redis.pcall('INCRBY', total, more)
  local overflow = type(sum) == 'table' and string.find(sum.err, 'overflow', 1, true)
  if overflow then redis.call('SET', total, n) end
  return overflow
end
