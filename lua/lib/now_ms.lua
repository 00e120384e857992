-- now_ms: the time of now.lua (unix ms).
local now_ms = now_secs * 1000 + math.floor(time[2] / 1000)
