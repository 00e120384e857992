-- due(delay_ms): the score of a task that is due `delay_ms` from now: the whole second of that time, as text. At
-- most the last second of the year 9999, the latest time that all readers of scores accept and print.
local LATEST = 253402300799
local function due(delay_ms)
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  return string.format('%d', math.min(math.floor((now_ms + delay_ms) / 1000), LATEST))
end
