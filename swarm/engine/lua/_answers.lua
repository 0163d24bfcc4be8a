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
  local answer = split_lines(stored)
  table.remove(answer, 1)
  return answer
end

-- Answers that nobody has asked for again within the hour are for nobody: a few are looked at in every tick.
local FORGET_MS = 3600000

local function prune_answers(tick)
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

-- The task that a call is about, if its caller still holds it: else nil and the answer to give, which is the first
-- answer when the call is a repetition.
local function held_task(repeated, member, token, may_be)
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
local function ticketed_task(repeated, member, merge_token)
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

local function remembered(answer)
  return operation.count .. ' ' .. now_text .. '\n' .. table.concat(answer, '\n')
end

-- The answers of both halves as one list: the first as lines. A list in a list costs the server more than its words.
local function both(answer, claimed)
  return {table.concat(answer, '\n'), unpack(claimed)}
end

local function remember(answer)
  if operation then
    write_fields(key('ops'), {operation.caller, remembered(answer)})
  end
end

local function settle_all()
  settle_durations()
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

-- A repetition may have been overtaken by later calls: it gets the claim that it made, and none of its own.
local function claim_and_probe(answer, from)
  local request = read_request(from)
  local claimed = is_repetition and (last_claim(request) or look_again(request)) or claim_next(request)
  settle_locks()
  settle_lots()
  settle_bells()
  remember(answer)
  probe_writes()
  return claimed
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
  reset_locks()
  local bells = copy_bells()
  local is_sound, claimed = pcall(claim_and_probe, answer, from)
  if not is_sound then
    drop_writes()
    if claiming_run then
      count_move(claiming_run, 'acked', 'queued')
    end
    rung = bells
    pcall(settle_bells)
    remember(answer)
    claimed = {'FAILED'}
  end
  settle_durations()
  settle_runs()
  commit_writes()
  return both(answer, claimed)
end
