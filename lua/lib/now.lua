-- now_secs(), now_nanos(): Redis' own time, so that the clocks of workers never decide.
local function now_secs() return tonumber(redis.call('TIME')[1]) end
local function now_nanos()
  local now = redis.call('TIME')
  return string.format('%s%06d000', now[1], now[2])
end
