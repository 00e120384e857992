-- now_nanos: the time of now.lua in nanoseconds, as text.
local now_nanos = string.format('%s%06d000', time[1], time[2])
