-- The one clock that decides deadlines: the server's own, in whole milliseconds.
local function read_clock_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + (time[2] - time[2] % 1000) / 1000
end
