-- trim_archive, trim_excess: delete the oldest tasks of the archive, with their hashes. `ids` are the tasks that the caller
-- has just archived, in their order.
--   trim_archive(archived, prefix, max_size, max_age, ids)  those that are older than `max_age` (s), and those beyond
--                                                           `max_size`
--   trim_excess(archived, prefix, max_size, ids)            those beyond `max_size`; returns how many
--
-- One call deletes at most this many tasks for each limit, so that trimming never blocks Redis for long.
local MOST_TRIMMED = 1000

local function delete_archived(archived, prefix, trimmed)
  if #trimmed == 0 then return end
  redis.call('ZREM', archived, unpack(trimmed))
  for _, id in ipairs(trimmed) do redis.call('DEL', prefix .. id) end
end

-- The ids of the tasks beyond `max_size`, the oldest first. Scores are whole seconds. The tasks of this call count
-- as the newest, in the order in which the call names them.
local function excess_ids(archived, max_size, ids)
  local excess = math.min(redis.call('ZCARD', archived) - max_size, MOST_TRIMMED)
  local oldest, is_new = {}, {}
  if excess <= 0 then return oldest end
  for _, id in ipairs(ids) do is_new[id] = true end
  for _, id in ipairs(redis.call('ZRANGE', archived, 0, excess + #ids - 1)) do
    if #oldest < excess and not is_new[id] then oldest[#oldest + 1] = id end
  end
  for _, id in ipairs(ids) do
    if #oldest < excess then oldest[#oldest + 1] = id end
  end
  return oldest
end

local function trim_excess(archived, prefix, max_size, ids)
  local excess = excess_ids(archived, max_size, ids)
  delete_archived(archived, prefix, excess)
  return #excess
end

local function trim_archive(archived, prefix, max_size, max_age, ids)
  if #ids == 0 then return end
  local cutoff = now_secs - tonumber(max_age)
  local old = redis.call('ZRANGEBYSCORE', archived, '-inf', cutoff, 'LIMIT', 0, MOST_TRIMMED)
  delete_archived(archived, prefix, old)
  trim_excess(archived, prefix, tonumber(max_size), ids)
end
