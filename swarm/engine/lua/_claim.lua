-- The claim: alone, or in the same call as the end of the attempt before it.
local read_request, is_older, claim_line, last_claim, look_again, granted, queue_due, claim_next
do
local TRIES, LOOKS, DUE = 16, 300, 50

-- Who claims, and from where in each queue: worker, claim id, lease ms, executors and tags (`,a,b,+t,`), then pairs:
-- type, place. One pair with type `*` stands for every known type.
function read_request(from)
  local request = {
    worker = args_of_call[from], claim_id = args_of_call[from + 1], lease_ms = args_of_call[from + 2],
    executors = args_of_call[from + 3], types = {}, places = {}, is_any = args_of_call[from + 4] == '*',
  }
  if request.is_any then
    request.types = ability.served_queues(request.executors)
    return request
  end
  for i = from + 4, #args_of_call, 2 do
    request.types[#request.types + 1] = args_of_call[i]
    request.places[args_of_call[i]] = tonumber(args_of_call[i + 1])
  end
  if string.find(read_meta()[2] or '', '+', 1, true) then
    for _, queue in ipairs(ability.served_queues(request.executors, request.places)) do
      if not request.places[queue] then
        request.types[#request.types + 1] = queue
      end
    end
  end
  return request
end

-- Claim ids that end in a number rise: a lower one comes late, from a call that nobody waits for any more.
function is_older(id, last_id)
  if not last_id or #id > #last_id or (#id == #last_id and id >= last_id) then
    return false -- with the same name, the number is higher
  end
  local name, number = string.match(id, '^(.-)(%d+)$')
  local last_name, last_number = string.match(last_id, '^(.-)(%d+)$')
  return name and name == last_name and tonumber(number) < tonumber(last_number)
end

function claim_line(claim_id, token, member)
  return claim_id .. ' ' .. token .. ' ' .. now_text .. ' ' .. member
end

-- What a worker is told of what it holds: few words, because each costs the server what four of these strings do.
function granted(member, spec, attempt, token, base, branch, lease_ms, fresh_after, evidence)
  return 'OK', member .. '\n' .. attempt .. '\n' .. token .. '\n' .. base .. '\n' .. branch .. '\n' .. lease_ms
    .. '\n' .. fresh_after, spec, evidence
end

-- What the worker's last call was answered, when this one repeats it or comes after it.
function last_claim(request)
  local last = claimed_last or read('HGET', key('meta'), 'claim:' .. request.worker) or ''
  local last_id, token, member = string.match(last, '^(%S+) (%d+) %d+ (.*)$')
  if last_id ~= request.claim_id then
    return is_older(request.claim_id, last_id) and {'EMPTY'} or nil
  end
  local task = read('HMGET', key('task', member), 'state', 'claim', 'spec', 'evidence', 'fresh_after')
  local current, attempt, _, base = claims.parts(task[2])
  if current ~= token or (task[1] ~= 'acked' and task[1] ~= 'running') then
    return nil
  end
  local ends = redis.call('ZSCORE', key('leases'), member)
  local left = math.max((tonumber(ends) or now) - now, 0)
  local branch = read_run(string.match(member, '^[^/]*')).branch
  return {granted(member, task[3], attempt, token, base, branch, number_text(left), task[5] or '0', task[4] or '')}
end

function look_again(request)
  local answer = {'AGAIN'}
  for _, type in ipairs(request.types) do
    answer[#answer + 1] = type
    answer[#answer + 1] = number_text(request.places[type] or 0)
  end
  -- A worker of every type learns from the answers what there is to wait for: also what is closed now.
  for _, type in ipairs(request.closed or {}) do
    answer[#answer + 1], answer[#answer + 2] = type, '0'
  end
  return answer
end

-- Backoffs that have come due go back to their queues.
function queue_due()
  local due = read('ZRANGEBYSCORE', key('delayed'), '-inf', now_text, 'LIMIT', 0, DUE)
  for _, member in ipairs(due) do
    local task = read_task(member)
    write('ZREM', key('delayed'), member)
    if task and task.state == 'queued' and task.lot == '' then
      write_fields(key('task', member), {'not_before_ms', '0', 'queued_ms', now_text})
      enqueue(member, task.type, task.executor, task.score)
    end
  end
  return #due
end

local function grant(request, task, entries, run)
  local token, attempt = next_token(), number_text(tonumber(task.attempt) + 1)
  local task_key = key('task', task.member)
  write('ZREM', key('queue', task.type), task.member)
  orders.begin_lease(task, number_text(now + tonumber(request.lease_ms)))
  write_fields(task_key, {'state', 'acked', 'claim', claims.text(token, attempt, now_text, run.tip, request.worker)})
  if task.parked_ms ~= '0' then
    local waited = tonumber(task.lock_wait_ms) + now - tonumber(task.parked_ms)
    write_fields(task_key, {'lock_wait_ms', number_text(waited), 'parked_ms', '0'})
  end
  if attempt ~= '1' then
    write_fields(task_key, {'spent', '', 'started_ms', '0', 'handed_in_ms', '0', 'merge_begun_ms', '0'})
  end
  if not is_empty(entries) then
    acquire_locks(entries)
    turn.take(task)
  end
  if task.baton ~= '' then
    write_fields(task_key, {'baton', ''})
    passing[task.baton] = true
  end
  count_move(task.run, 'queued', 'acked')
  claiming_run = task.run
  ring(task.type, task.executor, -1)
  emit('task_claimed', task.run, task.id, {'state', 'acked', 'worker', request.worker, 'attempt', attempt,
    'token', token, 'base', run.tip})
  write_fields(key('meta'), {'claim:' .. request.worker, claim_line(request.claim_id, token, task.member)})
  return {granted(task.member, task.spec, attempt, token, run.tip, run.branch, request.lease_ms, task.fresh_after,
    task.evidence)}
end

-- Nothing is left for these bells to announce; a token that stays would wake a worker for nothing.
local function hush(request)
  local quiet = request.closed or {}
  for _, type in ipairs(request.types) do
    if read('ZCARD', key('queue', type)) == 0 then
      quiet[#quiet + 1] = type
    end
  end
  for _, type in ipairs(quiet) do
    for executor in string.gmatch(request.executors, ',(%w[^,]*)') do
      write('DEL', key('bell', type .. ':' .. executor))
    end
  end
end

-- The member at the place that was reached in each queue, and which of them is the most urgent.
local function look(request, type)
  local place = request.places[type] or 0
  local entry = read('ZRANGE', key('queue', type), place, place, 'WITHSCORES')
  request.heads[type], request.scores[type] = entry[1], tonumber(entry[2])
end

local function most_urgent(request)
  local best
  for _, type in ipairs(request.types) do
    if request.heads[type] and (not best or request.scores[type] < request.scores[best]) then
      best = type
    end
  end
  return best
end

-- The task at the head, if this worker can do it now; its run; and the task if it must stand aside.
local function read_head(request, member)
  local task = read_task(member, #FIELDS)
  if not task or task.state ~= 'queued' then
    return nil
  end
  local run = read_run(task.run)
  if run.paused == '1' then
    return nil, run, task
  elseif run.stopping ~= '0' then
    return nil -- it is about to be called off
  end
  return (run.state == 'active' or run.state == 'loading' and run.activated ~= '')
    and string.find(request.executors, ',' .. task.executor .. ',', 1, true)
    and not ability.passes_over(request.executors, task.run)
    and not ability.is_for_another(task, request.worker) and task, run
end

-- The most urgent claimable task with its lease and all of its locks, or none of it. What is blocked parks.
function claim_next(request)
  local again = last_claim(request)
  if again then
    return again
  end
  local places, parked_at, tries, looks, has_passed = request.places, {}, 0, 0, false
  local known_types = request.types
  request.heads, request.scores = {}, {}
  orders.narrow(request)
  for _, type in ipairs(request.types) do
    look(request, type)
  end
  local type = most_urgent(request)
  while type do
    looks = looks + 1
    local task, run, aside = read_head(request, request.heads[type])
    if aside then
      orders.set_aside(aside)
      parked_at[type] = (parked_at[type] or 0) + 1
      if aside.baton ~= '' then
        passing[aside.baton], has_passed = true, true
      end
    elseif task then
      local entries = parse_locks(task.locks)
      local hold = find_blocker(entries)
      if hold and task.baton ~= '' then
        turn.count(task)
      end
      hold = hold or turn.blocker(entries, task.member)
      if not hold then
        return grant(request, task, entries, run)
      end
      park(task, hold)
      parked_at[type] = (parked_at[type] or 0) + 1
      if task.baton ~= '' then
        passing[task.baton], has_passed = true, true
      end
      tries = tries + 1
    end
    places[type] = (places[type] or 0) + 1
    if tries >= TRIES or looks >= LOOKS then
      -- Parked tasks leave their queues, so the places behind them move up.
      for parked_type, count in pairs(parked_at) do
        places[parked_type] = places[parked_type] - count
      end
      return look_again(request)
    end
    look(request, type)
    type = most_urgent(request)
  end
  if queue_due() > 0 or has_passed then
    request.places = {}
    return look_again(request)
  end
  hush(request)
  write_fields(key('meta'), {'claim:' .. request.worker, claim_line(request.claim_id, '0', '')})
  return {'EMPTY', unpack(known_types)}
end
end
