-- count_failed(processed_day, processed, failed_day, failed, n, expires_at): counts `n` tasks as processed
-- and as failed. If the total of processed tasks starts again (see count), the total of failed ones also
-- starts again from `n`.
local function count_failed(processed_day, processed, failed_day, failed, n, expires_at)
  local restarted = count(processed_day, processed, n, expires_at)
  count(failed_day, failed, n, expires_at)
  if restarted then redis.call('SET', failed, n) end
end
