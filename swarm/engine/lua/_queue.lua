-- Queues, one per type, lowest score first, and the bells that wake whoever waits for one.
local rung

local BELL_CAP = 64

local function ring(type, executor)
  local bell = key('bell', type .. ':' .. executor)
  local tokens = rung[bell] or read('LLEN', bell)
  if tokens < BELL_CAP then
    write('RPUSH', bell, '1')
    tokens = tokens + 1
  end
  rung[bell] = tokens
end

local function enqueue(member, type, executor, score)
  if not tonumber(score) then
    error('task ' .. member .. ' has no dispatch score')
  end
  write('ZADD', key('queue', type), score, member)
  ring(type, executor)
end
