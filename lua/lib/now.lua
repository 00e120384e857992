-- now_secs(), now_nanos(): Redis' own time at the start of the script, so that the clocks of
-- workers never decide.
local time = redis.call('TIME')
local function now_secs() return tonumber(time[1]) end
local function now_nanos() return string.format('%s%06d000', time[1], time[2]) end
