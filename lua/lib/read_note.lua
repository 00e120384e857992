-- read_note(text): the parts of an entry's note, which has the form <last tick>:<fencing>:<anchor>:<task id>; the
-- first three as numbers, the times in unix s. nil if there is no note, or if its text has another form.
local function read_note(text)
  local last, fencing, anchor, id = string.match(text or '', '^(%-?%d+):(%d+):(%-?%d+):(.*)$')
  return tonumber(last), tonumber(fencing), tonumber(anchor), id
end
