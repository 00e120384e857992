-- take_lapsed(key, id, original, active, lease, cutoff): takes task `id` out of `active` if its lease
-- ended at `cutoff` (s) or before and its stored message is still `original`: a recoverer's right.
-- Looking again here is what keeps a second recoverer from taking it from its new worker.
-- Nothing is written unless all of this is so. Returns whether it is.
-- The removal stays the first write of a script: after one, Redis no longer refuses for lack of memory.
local function take_lapsed(key, id, original, active, lease, cutoff)
  local score = redis.call('ZSCORE', lease, id)
  if not score or tonumber(score) > cutoff then return false end
  if field(key, 'msg') ~= original then return false end
  redis.call('LREM', active, 0, id)
  return true
end
