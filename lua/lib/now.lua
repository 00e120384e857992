-- now_secs: Redis' own time at the start of the script, so that the clocks of workers never decide.
local time = redis.call('TIME')
local now_secs = tonumber(time[1])
