-- The last answer given to each caller. A caller makes one call at a time, so one answer is enough: a
-- repeated op id gets it again, and an older one comes from a call that nobody waits for any more.
local operation

local function first_answer(op)
  local caller, count = string.match(op, '^(.*):(%d+)$')
  operation = {caller = caller, count = count}
  local stored = read('HGET', key('ops'), caller)
  if not stored then
    return nil
  end
  local answer, last = {}, nil
  for line in string.gmatch(stored, '[^\n]+') do
    if last then
      answer[#answer + 1] = line
    else
      last = tonumber(string.match(line, '^%d+'))
    end
  end
  if tonumber(count) > last then
    return nil
  end
  return tonumber(count) == last and answer or {'STALE', '0'}
end

-- Commit, say MORE instead of OK when work was left for the caller to ask for, and keep the answer for a repetition of the call.
local function settle(answer)
  settle_locks()
  settle_lots()
  settle_runs()
  if has_left_work and answer[1] == 'OK' then
    answer[1] = 'MORE'
  end
  if operation then
    local stored = operation.count .. ' ' .. now_text .. '\n' .. table.concat(answer, '\n')
    write('HSET', key('ops'), operation.caller, stored)
  end
  commit_writes()
  return answer
end

local function begin(keys, args)
  begin_writes(keys[1])
  args_of_call = args
  tallies, run_spending, rung = {}, {}, {}
  freed, acquired, returned, leaving, passing = {}, {}, {}, {}, {}
  restated, visited, budget, has_left_work = {}, {}, BUDGET, false
  operation = nil
end
