-- Makes the note of a scheduler's entry, unless there is one.
--
-- KEYS[1] rasynq:{q}:tick:<entry key>, the note: see enqueue_tick.lua
-- ARGV[1] how long the note is kept at least (s)
-- ARGV[2] the new note; "": last tick and anchor are the time of Redis, and no scheduler has led the entry
-- Replies the note.
-- use: now, read_note
local note = redis.call('GET', KEYS[1])
if not read_note(note) then
  note = ARGV[2]
  if note == '' then note = string.format('%d:0:%d:', now_secs, now_secs) end
  redis.call('SET', KEYS[1], note, 'EX', ARGV[1])
elseif redis.call('TTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return note
