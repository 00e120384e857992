-- for_each_task(prefix, first, fields, act): calls act(key, id, …) for each task that ARGV lists from index
-- `first` on, with `fields` elements per task, the id first. `key` is the key of the task's hash. `act` returns
-- whether it changed the task. Returns a list with 1 (changed) or 0 per task, and the number of 1s.
local function for_each_task(prefix, first, fields, act)
  local replies, n, done = {}, 0, 0
  for i = first, #ARGV, fields do
    local acted = act(prefix .. ARGV[i], unpack(ARGV, i, i + fields - 1))
    n = n + 1
    replies[n] = acted and 1 or 0
    done = done + replies[n]
  end
  return replies, done
end
