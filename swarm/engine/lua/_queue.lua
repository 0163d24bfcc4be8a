-- Queues, one per type, lowest score first, and the bells that wake whoever waits for one.
local rung

-- A bell gets one token for each newly claimable task; what the same call claims rings for nobody.
local function ring(type, executor, count)
  local bell = key('bell', type .. ':' .. executor)
  rung[bell] = (rung[bell] or 0) + (count or 1)
end

local function copy_bells()
  local copy = {}
  for bell, count in pairs(rung) do
    copy[bell] = count
  end
  return copy
end

local function settle_bells()
  local BELL_CAP = 64
  if not next(rung) then
    return
  end
  for bell, count in pairs(rung) do
    local room = count > 0 and BELL_CAP - read('LLEN', bell) or 0
    if room > 0 then
      local tokens = {}
      for i = 1, math.min(room, count) do
        tokens[i] = '1'
      end
      write_many('RPUSH', bell, tokens)
    end
  end
  rung = {}
end

-- A task's score as a sorted set takes it. What a set refuses is refused here, before the first write of a commit.
local function proven_score(member, score)
  if not string.find(score or '', '^%-?%d+$') then
    error('task ' .. member .. ' has no dispatch score')
  end
  return score
end

local function enqueue(member, type, executor, score)
  write('ZADD', key('queue', type), proven_score(member, score), member)
  ring(type, executor)
end
