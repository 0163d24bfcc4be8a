-- The last answer given to each caller. A caller makes one call at a time, so one answer is enough: a
-- repeated op id gets it again, and an older one comes from a call that nobody waits for any more. Answers stand in
-- the project's hash, which a claim reads and writes anyway.
local function first_answer(op, worker)
  local caller, count = string.match(op, '^(.*):(%d+)$')
  local field, stored = 'op:' .. caller, nil
  if worker then
    stored, claimed_last = read_meta_for(field, 'claim:' .. worker)
  else
    stored = read('HGET', key('meta'), field)
  end
  operation = {field = field, count = count}
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
  local page = read('HSCAN', key('meta'), read('HGET', tick, 'pruned_to') or '0', 'COUNT', 20)
  local old = {}
  for i = 1, #page[2], 2 do
    local field, stored = page[2][i], page[2][i + 1]
    local told_ms = string.find(field, '^op:') and string.match(stored, '^%S+ (%d+)\n')
      or string.find(field, '^claim:') and string.match(stored, '^%S+ %d+ (%d+) ')
    if told_ms and now - tonumber(told_ms) > FORGET_MS then
      old[#old + 1] = field
    end
  end
  if #old > 0 then
    write_many('HDEL', key('meta'), old)
  end
  write_fields(tick, {'pruned_to', page[1]})
end

-- An answer, as lines, with the number and the time of the call that got it.
local function remembered(said)
  return operation.count .. ' ' .. now_text .. '\n' .. said
end

local function remember(answer)
  if operation then
    write_fields(key('meta'), {operation.field, remembered(table.concat(answer, '\n'))})
  end
end
