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
  operation = nil
  return tonumber(count) == last and answer or {'STALE', '0'}
end

-- The task that a call is about, if its caller still holds it: else nil and the answer to give.
local function task_of_call(op, member, token, may_be)
  local repeated = op and first_answer(op)
  if repeated then
    return nil, repeated
  end
  local task = read_task(member)
  if not task then
    return nil, {'UNKNOWN'}
  end
  if task.token ~= token or not may_be[task.state] then
    return nil, stale(task)
  end
  return task
end

-- The same for a merge ticket, whose token is another one.
local function task_of_ticket(op, member, merge_token)
  local repeated = op and first_answer(op)
  if repeated then
    return nil, repeated
  end
  local task = read_task(member)
  if not task then
    return nil, {'UNKNOWN'}
  end
  if task.state ~= 'merging' then
    return nil, stale(task)
  end
  if task.merge_token ~= merge_token then
    return nil, {'STALE', task.merge_token}
  end
  return task
end

local function remember(answer)
  if operation then
    local stored = operation.count .. ' ' .. now_text .. '\n' .. table.concat(answer, '\n')
    write('HSET', key('ops'), operation.caller, stored)
  end
end

local function settle_all()
  settle_locks()
  settle_lots()
  settle_runs()
  settle_bells()
end

-- Commit, say MORE instead of OK when work was left for the caller to ask for, and keep the answer for a repetition
-- of the call.
local function settle(answer)
  settle_all()
  if has_left_work and answer[1] == 'OK' then
    answer[1] = 'MORE'
  end
  remember(answer)
  commit_writes()
  return answer
end

-- The same, and then the next claim in the same call, when `args_of_call` ask for one from `from` on. Each half is
-- atomic: the claim sees what the first half has written, and its error undoes nothing but itself.
local function settle_and_claim(answer, from)
  if answer[1] ~= 'OK' and answer[1] ~= 'MORE' then
    return answer
  end
  if not args_of_call[from] then
    return settle(answer)
  end
  settle_locks()
  settle_lots()
  if has_left_work then
    answer[1] = 'MORE'
  end
  if not can_counts_wait() then
    settle_runs()
  end
  commit_writes()
  freed, acquired, returned, leaving, passing = {}, {}, {}, {}, {}
  local uncounted = copy_tallies()
  local is_sound, claimed = pcall(function()
    local next_claim = claim_next(read_request(from))
    settle_all()
    remember(answer)
    commit_writes()
    return next_claim
  end)
  if not is_sound then
    drop_writes()
    runs_read, tallies = {}, uncounted
    settle_runs()
    remember(answer)
    commit_writes()
    claimed = {'FAILED'}
  end
  return {answer, claimed}
end

local function begin(keys, args)
  begin_writes(keys[1])
  args_of_call = args
  runs_read, tallies, restated, run_spending, rung = {}, {}, {}, {}, {}
  freed, acquired, returned, leaving, passing = {}, {}, {}, {}, {}
  visited, budget, has_left_work = {}, BUDGET, false
  operation = nil
end
