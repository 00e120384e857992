-- read_note(text): the parts of an entry's note, which has the form <last tick>:<fencing>:<anchor>:<task id>; the
-- first three as numbers, the times in unix s. nil if there is no note, if its text has another form, or if it is far
-- ahead of the clock of Redis, which then was set back: the entry must not wait until the clock has caught up.
local function read_note(text)
  local MOST_AHEAD = 3600
  local last, fencing, anchor, id = string.match(text or '', '^(%-?%d+):(%d+):(%-?%d+):(.*)$')
  if not last or tonumber(last) > now_secs + MOST_AHEAD then return nil end
  return tonumber(last), tonumber(fencing), tonumber(anchor), id
end
