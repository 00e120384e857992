-- message_lock(msg): the key of the unique lock that a message names, in field 10 of its protobuf; nil if it names none,
-- or does not decode. It skips over the other fields, so the size of the payload costs nothing.
local function message_lock(msg)
  local at, size = 1, #msg
  local function varint()
    local value, scale = 0, 1
    while true do
      local byte = string.byte(msg, at)
      if not byte then return nil end
      value, at = value + byte % 128 * scale, at + 1
      if byte < 128 then return value end
      scale = scale * 128
    end
  end
  while at <= size do
    local tag = varint()
    local kind = tag and tag % 8
    if kind == 2 then
      local length = varint()
      if not length then return nil end
      if tag == 10 * 8 + 2 then return string.sub(msg, at, at + length - 1) end
      at = at + length
    elseif kind == 0 then
      varint()
    else
      -- A message of asynq has numbers and texts only.
      return nil
    end
  end
end
