-- time, now_secs: the time of Redis at the start of the script, as the reply of TIME and in unix s. Workers'
-- clocks may disagree; the clock of Redis alone decides.
local time = redis.call('TIME')
local now_secs = tonumber(time[1])
