-- is_alive(members, id): whether the lease of this scheduler is not over. It asks Redis once for each scheduler.
local alive = {}
local function is_alive(members, id)
  if alive[id] == nil then
    local until_ms = redis.call('ZSCORE', members, id)
    alive[id] = until_ms and tonumber(until_ms) > now_ms or false
  end
  return alive[id]
end
