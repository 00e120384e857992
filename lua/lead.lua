-- Renews a scheduler's lease, elects a leader if there is none, and gives the scheduler the entries that it leads.
--
-- The leader leads all its entries. Another scheduler leads those of its entries that no live one leads.
--
-- KEYS[1] rasynq:{scheduler}:members, the ids of schedulers; score: until when each is alive (unix ms)
-- KEYS[2] rasynq:{scheduler}:leader, a hash: id of the leader, the last fencing number, the cursor of the sweep
-- KEYS[3] rasynq:{scheduler}:entries, a hash: entry key → <fencing>:<id of the scheduler that leads the entry>
-- ARGV[1] id of the scheduler
-- ARGV[2] length of a lease (ms)
-- ARGV[3] time to live of the keys (s)
-- ARGV[4] fencing numbers up to this one are too low: the note of an entry has it
-- ARGV[5…] the keys of its entries, at most 1,000
-- Replies {is_leader, fencing…}: 1 if the scheduler is the leader, otherwise 0; for each entry its fencing number, or 0
-- if another scheduler leads it.
-- use: now, now_ms, is_alive
local members, leader_key, entries = KEYS[1], KEYS[2], KEYS[3]
local me, lease_ms, too_low = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local first_entry = 5
-- How many members or entries are looked at for upkeep.
local STEP = 100
local call = redis.call
-- Keys of a wrong type fail here, before the first write.
local leader, last, cursor = unpack(call('HMGET', leader_key, 'id', 'fencing', 'cursor'))
local led_by = {}
if #ARGV >= first_entry then
  led_by = call('HMGET', entries, unpack(ARGV, first_entry))
else
  call('HLEN', entries)
end

local until_ms = now_ms + lease_ms
call('ZADD', members, until_ms, me)
for _, id in ipairs(call('ZRANGEBYSCORE', members, '-inf', now_ms, 'LIMIT', 0, STEP)) do
  call('ZREM', members, id)
end
-- No lease is longer: the clock of Redis was set back.
for _, id in ipairs(call('ZRANGEBYSCORE', members, '(' .. until_ms, '+inf', 'LIMIT', 0, STEP)) do
  call('ZADD', members, until_ms, id)
end

if not leader or not is_alive(members, leader) then
  leader = me
  call('HSET', leader_key, 'id', me)
end
local is_leader = leader == me
-- Whoever takes an entry in this call has the highest number of all so far.
local fencing = math.max((tonumber(last) or 0) + 1, now_ms, too_low + 1)
local reply = { is_leader and 1 or 0 }
local taken = {}
for i = first_entry, #ARGV do
  local number, holder = string.match(led_by[i - first_entry + 1] or '', '^(%d+):(.*)$')
  if holder == me and tonumber(number) > too_low then
    reply[#reply + 1] = tonumber(number)
  elseif holder == me or is_leader or not holder or not is_alive(members, holder) then
    taken[#taken + 1] = ARGV[i]
    taken[#taken + 1] = string.format('%d:', fencing) .. me
    reply[#reply + 1] = fencing
  else
    reply[#reply + 1] = 0
  end
end
if #taken > 0 then
  call('HSET', entries, unpack(taken))
  call('HSET', leader_key, 'fencing', string.format('%d', fencing))
end

-- The leader drops entries of schedulers that are gone, a few with each call.
if is_leader then
  local next, found = unpack(call('HSCAN', entries, cursor or '0', 'COUNT', STEP))
  for i = 1, #found, 2 do
    local holder = string.match(found[i + 1], '^%d+:(.*)$')
    if not holder or not is_alive(members, holder) then call('HDEL', entries, found[i]) end
  end
  if next ~= (cursor or '0') then call('HSET', leader_key, 'cursor', next) end
end
for i = 1, 3 do call('EXPIRE', KEYS[i], ARGV[3]) end
return reply
