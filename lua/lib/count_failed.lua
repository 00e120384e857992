-- count_failed(processed_day, processed, failed_day, failed, n, expire_at): counts `n` tasks as
-- processed and as failed. When the total of the processed begins anew, that of the failed does too.
local function count_failed(processed_day, processed, failed_day, failed, n, expire_at)
  local anew = count(processed_day, processed, n, expire_at)
  count(failed_day, failed, n, expire_at)
  if anew then redis.call('SET', failed, n) end
end
