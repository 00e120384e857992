-- take_pending(pending, tasks, shift): removes tasks from the list of pending tasks. A task is a table with `id` and
-- `seen`, which is where the caller has read it: how many tasks were to be fetched before it. It is now `shift` further
-- from the end, or less far if that is negative, as tasks have been fetched meanwhile. `seen` is '' if it is not known.
-- Sets the field `missing` of the tasks that it has not removed: to "-pending" if they are not in the list, to 3 if they
-- may be. Returns the shift as it is now.
--
-- LREM walks over about 35,000 tasks in a millisecond, so a long list is not searched for each task. The tasks are looked up
-- at their positions, overwritten with an empty text, and removed by one LREM from the nearer end. No task has this id: it
-- would be blank. Where this is too far from both ends, the newest pending task takes the place of a removed one: no
-- task is run later for that.
local MOST_WALKED = 100000
-- How far from its position a task is searched for, and how often in a call.
local NEARBY, MOST_SEARCHES = 500, 4

local function take_pending(pending, tasks, shift)
  local call = redis.call
  local length = call('LLEN', pending)
  -- It changes nothing. After a first write Redis refuses no LSET, even if memory is full.
  call('LTRIM', pending, 0, -1)
  local positions, searches = {}, 0
  for _, task in ipairs(tasks) do
    local position = tonumber(task.seen)
    task.missing = 3
    if not position then
      if length <= MOST_WALKED then
        -- All its occurrences, should it be there twice.
        task.missing = call('LREM', pending, 0, task.id) == 0 and '-pending' or nil
      end
    elseif position + shift >= 0 and call('LINDEX', pending, -(position + shift) - 1) == task.id then
      positions[#positions + 1], task.missing = position + shift, nil
    elseif searches < MOST_SEARCHES and position + shift + NEARBY >= 0 then
      searches = searches + 1
      local nearest = math.max(position + shift - NEARBY, 0)
      local found = call('LRANGE', pending, -(position + shift + NEARBY) - 1, -nearest - 1)
      for k, id in ipairs(found) do
        if id == task.id then
          local now_at = nearest + #found - k
          positions[#positions + 1], task.missing, shift = now_at, nil, now_at - position
          break
        end
      end
    end
  end
  if #positions == 0 then return shift end
  table.sort(positions)
  local walk_from_end, walk_from_start = positions[#positions] + 1, length - positions[1]
  if math.min(walk_from_end, walk_from_start) <= MOST_WALKED then
    for _, position in ipairs(positions) do call('LSET', pending, -position - 1, '') end
    call('LREM', pending, walk_from_end < walk_from_start and -#positions or #positions, '')
  else
    for k = #positions, 1, -1 do
      local newest = call('LPOP', pending)
      length = length - 1
      if positions[k] ~= length then call('LSET', pending, -positions[k] - 1, newest) end
    end
  end
  return shift
end
