-- score_of(key, id): the score of a member as text; false if it is not there, or if the key is no sorted set. Raises any
-- other error.
local function score_of(key, id)
  local score = redis.pcall('ZSCORE', key, id)
  if type(score) ~= 'table' then return score end
  if string.find(score.err, 'WRONGTYPE', 1, true) then return false end
  return redis.call('ZSCORE', key, id)
end
