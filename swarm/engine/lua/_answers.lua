-- The last answer given to each caller. A caller makes one call at a time, so one answer is enough: a
-- repeated op id gets it again, and an older one comes from a call that nobody waits for any more.
local function first_answer(op, worker)
  local caller, count = string.match(op, '^(.*):(%d+)$')
  local stored
  if worker then
    -- The claim that follows asks for its own line of the same hash: one read for both.
    local both = read('HMGET', key('ops'), caller, 'claim:' .. worker)
    stored, claimed_last = both[1], both[2] or ''
  else
    stored = read('HGET', key('ops'), caller)
  end
  operation = {caller = caller, count = count}
  local last = stored and tonumber(string.match(stored, '^%d+')) or 0
  if tonumber(count) > last then
    return nil
  end
  operation, is_repetition = nil, true
  if tonumber(count) < last then
    return {'STALE', '0'}
  end
  local answer = {}
  for word in string.gmatch(stored, '\n([^\n]*)') do
    answer[#answer + 1] = word -- the empty ones too: answers are read by place
  end
  return answer
end

-- Answers that nobody has asked for again within the hour are for nobody: a few are looked at in every tick.
local function prune_answers(tick)
  local FORGET_MS = 3600000
  local page = read('HSCAN', key('ops'), read('HGET', tick, 'pruned_to') or '0', 'COUNT', 20)
  local old = {}
  for i = 1, #page[2], 2 do
    local told_ms = string.match(page[2][i + 1], '^%S+ (%d+)\n') or string.match(page[2][i + 1], '^%S+ %d+ (%d+) ')
    if not told_ms or now - tonumber(told_ms) > FORGET_MS then
      old[#old + 1] = page[2][i]
    end
  end
  if #old > 0 then
    write_many('HDEL', key('ops'), old)
  end
  write_fields(tick, {'pruned_to', page[1]})
end

local function remembered(answer)
  return operation.count .. ' ' .. now_text .. '\n' .. table.concat(answer, '\n')
end

local function remember(answer)
  if operation then
    write_fields(key('ops'), {operation.caller, remembered(answer)})
  end
end
