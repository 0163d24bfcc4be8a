-- The one clock that decides deadlines: the server's own, in whole milliseconds, as a number and as text.
local function read_clock_ms()
  local time = redis.call('TIME')
  local text = time[1] .. string.sub('00000' .. time[2], -6, -4)
  return tonumber(text), text
end
