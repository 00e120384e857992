-- now_nanos: the time of now.lua (unix ns), as text.
local now_nanos = string.format('%s%06d000', time[1], time[2])
