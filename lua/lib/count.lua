-- count(day, total, n, expires_at): adds `n` to the counter of the day and to the total. Returns whether the
-- total started again from `n`, because the sum would exceed the largest int64.
--
-- A new counter of the day expires at `expires_at` (unix s). A counter of a wrong type stays unchanged: it must
-- not make an acknowledgement fail.
local function count(day, total, n, expires_at)
  if n == 0 then return false end
  local digits = string.format('%d', n)
  if redis.pcall('INCRBY', day, digits) == n then redis.call('EXPIREAT', day, expires_at) end
  local sum = redis.pcall('INCRBY', total, digits)
  local overflow = type(sum) == 'table' and string.find(sum.err, 'overflow', 1, true)
  if overflow then redis.call('SET', total, n) end
  return overflow
end
