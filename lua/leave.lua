-- Gives up entries that a scheduler leads and, if asked, ends its lease.
--
-- KEYS[1] rasynq:{scheduler}:members: see lead.lua
-- KEYS[2] rasynq:{scheduler}:leader
-- KEYS[3] rasynq:{scheduler}:entries
-- ARGV[1] id of the scheduler
-- ARGV[2] 1 if its lease ends; 0 if it only gives up the entries
-- ARGV[3…] the keys of the entries, at most 1,000
-- Replies how many other schedulers are alive.
-- use: now, now_ms, is_alive
local members, leader_key, entries, me = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local first_entry = 3
local call = redis.call
-- Keys of a wrong type fail here, before the first write.
local leader = call('HGET', leader_key, 'id')
local others = call('ZCOUNT', members, '(' .. now_ms, '+inf')
if is_alive(members, me) then others = others - 1 end
for i = first_entry, #ARGV do
  local holder = string.match(call('HGET', entries, ARGV[i]) or '', '^%d+:(.*)$')
  if holder == me then call('HDEL', entries, ARGV[i]) end
end
if ARGV[2] == '1' then
  call('ZREM', members, me)
  if leader == me then call('HDEL', leader_key, 'id') end
end
return others
