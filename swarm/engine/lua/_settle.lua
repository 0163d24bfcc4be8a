-- The end of a call: what it collected is committed, and its answer kept; with one commit, or with one for each half.
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

-- The answers of both halves as one list: the first as lines. A list in a list costs the server more than its words.
local function both(answer, claimed)
  return {table.concat(answer, '\n'), unpack(claimed)}
end

local settle_and_claim
do
-- A repetition may have been overtaken by later calls: it gets the claim that it made, and none of its own.
local function claim_and_probe(answer, from)
  local request = read_request(from)
  local claimed = is_repetition and (last_claim(request) or look_again(request)) or claim_next(request)
  can_counts_wait() -- proves those that the claim moves
  settle_locks()
  settle_lots()
  settle_bells()
  remember(answer)
  probe_writes()
  return claimed
end

-- The same, and then the next claim in the same call, when `args_of_call` ask for one from `from` on. Each half is
-- atomic: the claim sees what the first half has written, and its error undoes nothing but itself.
function settle_and_claim(answer, from)
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
end
