-- time, now_secs: the time of Redis at the start of the script, as the reply of TIME and in unix s. The
-- clocks of servers may disagree, so only the clock of Redis decides.
local time = redis.call('TIME')
local now_secs = tonumber(time[1])
