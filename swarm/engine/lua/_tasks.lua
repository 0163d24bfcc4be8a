-- Tasks as values, and the parts of a move that several scripts share.
local FIELDS = {
  'state', 'claim', 'type', 'executor', 'score', 'locks', 'parked_ms', 'lot', 'baton', 'spent', 'merge_token',
  'took', 'dependents', 'skipped_ms', 'join', 'lock_wait_ms', 'spec', 'evidence', 'fresh_after', 'tried_by',
  'overtaken', 'queued_ms',
}
local TO_END = 15 -- so many of them say all that ending an attempt needs

-- What the last claim of a task wrote is one field, parted by spaces: each word of a command costs the server, and with
-- an append-only file twice. The token is 0 once it is void; the worker, empty once the task is queued again.
local claims = {}

function claims.text(token, attempt, claimed_ms, base, worker)
  return token .. ' ' .. attempt .. ' ' .. claimed_ms .. ' ' .. base .. ' ' .. worker
end

-- Token, attempt, since when, base, worker; zeros and nothing of a task that was never claimed.
function claims.parts(text)
  if text then
    return string.match(text, '^(%d+) (%d+) (%d+) (%S*) (.*)$')
  end
  return '0', '0', '0', '', ''
end

-- Nobody holds it by this token any more.
function claims.void(task, claimed_ms, worker)
  write_fields(key('task', task.member), {'claim', claims.text('0', task.attempt, claimed_ms, task.base, worker)})
end

-- A task's hash holds only what is not nothing: an absent number is 0, an absent text is empty.
local function read_task(member, count)
  local values = read('HMGET', key('task', member), unpack(FIELDS, 1, count or TO_END))
  if not values[1] then
    return nil
  end
  local run, id = string.match(member, '^([^/]*)/(.*)$')
  local token, attempt, claimed_ms, base, worker = claims.parts(values[2])
  return {
    member = member, run = run, id = id, state = values[1], token = token, attempt = attempt, claimed_ms = claimed_ms,
    base = base, worker = worker, type = values[3] or '', executor = values[4] or '', score = values[5] or '',
    locks = values[6] or '', parked_ms = values[7] or '0', lot = values[8] or '', baton = values[9] or '',
    spent = values[10] or '', merge_token = values[11] or '', busy_ms = string.match(values[12] or '0', '^%S+'),
    dependents = values[13] or '', skipped_ms = values[14] or '0', join = values[15] or '',
    lock_wait_ms = values[16] or '0', spec = values[17] or '', evidence = values[18] or '',
    fresh_after = values[19] or '0', tried_by = values[20] or '', overtaken = values[21] or '0',
    queued_ms = values[22] or '0',
  }
end

-- Usage is four whole numbers in one text: input, output, cache-read tokens, millionths of a dollar.
local function add_usage(left, right)
  local sums, numbers = {}, {}
  for number in string.gmatch(left, '%d+') do
    numbers[#numbers + 1] = tonumber(number)
  end
  for number in string.gmatch(right, '%d+') do
    sums[#sums + 1] = number_text((numbers[#sums + 1] or 0) + tonumber(number))
  end
  return table.concat(sums, ' ')
end

local NOTHING_SPENT = '0 0 0 0'
local run_spending

-- Fold what an attempt spent into the totals of its task and its run.
local function settle_usage(task, spent, has_landed)
  if spent == '' or spent == NOTHING_SPENT then
    spent = task.spent
  end
  if spent == '' or spent == NOTHING_SPENT then
    return
  end
  local task_key, run_key = key('task', task.member), key('run', task.run)
  local before = read('HMGET', task_key, 'usage', 'wasted')
  local totals = run_spending[task.run]
  if not totals then
    totals = read('HMGET', run_key, 'usage', 'wasted')
    run_spending[task.run] = totals
  end
  totals[1] = add_usage(totals[1] or '', spent)
  write_fields(task_key, {'spent', '', 'usage', add_usage(before[1] or '', spent)})
  write_fields(run_key, {'usage', totals[1]})
  if not has_landed then
    totals[2] = add_usage(totals[2] or '', spent)
    write_fields(task_key, {'wasted', add_usage(before[2] or '', spent)})
    write_fields(run_key, {'wasted', totals[2]})
  end
end

local function leave_queue(task)
  if task.lot ~= '' then
    leave_lot(task)
  else
    write('ZREM', key('queue', task.type), task.member)
    write('ZREM', key('delayed'), task.member)
    if read_run(task.run).paused ~= '' then
      write('ZREM', key('paused', task.run), task.member)
    end
  end
  if task.baton ~= '' then
    passing[task.baton] = true
  end
end

-- The last of a train that leaves it frees the merge slot.
function orders.leave_train(task)
  local run = read_run(task.run)
  local slot, rest, is_of_it = key('slot', run.branch or ''), {}, false
  run.train = run.train or read('HGET', slot, 'task') or ''
  for _, member in ipairs(split_lines(run.train)) do
    if member == task.member then
      is_of_it = true
    else
      rest[#rest + 1] = member
    end
  end
  if is_of_it then
    run.train = table.concat(rest, '\n')
    if run.train == '' then
      write('DEL', slot)
    else
      write_fields(slot, {'task', run.train})
    end
  end
end

-- A merger that is gone leaves its slots to others at once.
function orders.free_slots(merger)
  for _, run in ipairs(read('SMEMBERS', key('active'))) do
    local slot = key('slot', read('HGET', key('run', run), 'branch') or '')
    if read('HGET', slot, 'merger') == merger then
      write('DEL', slot)
    end
  end
end

-- Void the task's token: its lease, its locks, its place in the merge queue and its merge slot.
local function void_token(task)
  if task.state ~= 'merging' then
    orders.end_lease(task)
  end
  if task.locks ~= '' then
    release_locks(parse_locks(task.locks), task.state ~= 'acked')
  end
  if task.state == 'merging' then
    write('ZREM', key('merging'), task.member)
    orders.leave_train(task)
  end
end

local function is_held_state(state)
  return state == 'acked' or state == 'running' or state == 'merging'
end

-- How long workers have held the task, in all attempts; the wait to be merged is nobody's time.
local function busy_ms(task)
  local before = tonumber(task.busy_ms)
  if task.state == 'acked' or task.state == 'running' then
    return number_text(before + (task.held_until_ms or now) - tonumber(task.claimed_ms))
  end
  return number_text(before)
end

-- For how long workers have held it so far, and when it ended (0: not yet), are one field as well.
function claims.write_took(task, ended_ms)
  write_fields(key('task', task.member), {'took', busy_ms(task) .. ' ' .. ended_ms})
end

-- Before a hold ends by another word than that of a worker at work: an outage, however long, is nobody's time either,
-- or the ranks and forecasts of a whole project learn from it. A worker that vanished was seen last when its lease
-- began; where it may be alive (no term given), it worked until the lease's end at most.
function orders.bound_hold(task, term_ms)
  if task.state == 'acked' or task.state == 'running' then
    local ends_ms = tonumber(read('ZSCORE', key('leases'), task.member) or now)
    task.held_until_ms = math.max(tonumber(task.claimed_ms), math.min(now, ends_ms - (term_ms or 0)))
  end
end

-- Take a live task out of wherever it is.
local function detach(task)
  if task.state == 'queued' then
    leave_queue(task)
  elseif is_held_state(task.state) then
    orders.bound_hold(task)
    void_token(task)
    settle_usage(task, '', false)
  end
end

local function queue_again(task, delay_ms)
  count_move(task.run, task.state, 'queued')
  local task_key = key('task', task.member)
  write_fields(task_key, {'state', 'queued', 'queued_ms', now_text})
  if task.state ~= 'pending' then
    write_fields(task_key, {'parked_ms', '0', 'lot', '', 'parked_on', '', 'baton', '', 'not_before_ms',
      delay_ms > 0 and number_text(now + delay_ms) or '0'})
    claims.write_took(task, '0')
    if task.attempt ~= '0' then
      claims.void(task, task.claimed_ms, '')
    end
  end
  if delay_ms > 0 then
    write('ZADD', key('delayed'), number_text(now + delay_ms), task.member)
  else
    enqueue(task.member, task.type, task.executor, task.score)
  end
end

-- What ends while nobody holds it ends without an attempt: when an earlier one was, and whose, is in its history.
-- What has landed keeps the times of the attempt that did, and its token; what was expanded, those of the one that
-- expanded it.
local function end_task(task, state)
  count_move(task.run, task.state, state)
  local task_key = key('task', task.member)
  write_fields(task_key, {'state', state})
  claims.write_took(task, now_text)
  if is_held_state(task.state) then
    if state ~= 'done' then
      claims.void(task, task.claimed_ms, task.worker)
    end
    return
  end
  if task.parked_ms ~= '0' then
    write_fields(task_key, {'lot', '', 'parked_on', '', 'parked_ms', '0', 'baton', ''})
  end
  if task.attempt ~= '0' and task.join == '' and state ~= 'done' then
    claims.void(task, '0', '')
    write_fields(task_key, {'started_ms', '0', 'handed_in_ms', '0', 'merge_begun_ms', '0'})
  end
end

local function stale(task)
  if task.state == 'cancelled' then
    return {'CANCELLED'}
  end
  return {'STALE', task.token}
end

-- How long the next attempt waits: doubled for each attempt, charged or not, capped, and spread by the caller's dice.
local function backoff_ms(task, base_ms, cap_ms, spread)
  local doubled = tonumber(base_ms) * 2 ^ math.min(tonumber(task.attempt) - 1, 20)
  return math.floor(math.min(tonumber(cap_ms), doubled) * tonumber(spread))
end

local function bury(task)
  write('ZADD', key('dead'), now_text, task.member)
  write_fields(key('task', task.member), {'needs_person', '1'})
end
