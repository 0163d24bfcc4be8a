-- The short way: an attempt that ends well and the claim after it, when nothing out of the ordinary is about: no usage,
-- first attempts, few dependents, and for the claim no lock in the way. In straight lines, every read before the first
-- write of its half, it does what `finish_task` and `grant` do in general; a test holds both ways to the same keys.
-- It takes a third of the time.
local short_run, was_short, owed

local finish_shortly, claim_after
do
local SHORT_FIELDS = {'state', 'tip', 'branch', 'live', 'pending', 'queued', 'acked', 'running', 'done', 'paused',
  'stopping'}
local PLACE = {pending = 5, queued = 6, acked = 7, running = 8, done = 9}
local short_counts
-- `owed` is what the first half leaves for the second to write into the run's hash: one command for both.

-- The few fields of a run that the short way needs, in their order; as the first half has left them.
local function read_short_run(run)
  if short_run ~= run then
    short_run, short_counts = run, call('HMGET', key('run', run), unpack(SHORT_FIELDS))
  end
  return short_counts
end

-- One task went from a state to another; the counts are texts.
local function move_one(counts, from, to)
  counts[PLACE[from]] = one_less(counts[PLACE[from]] or '0')
  counts[PLACE[to]] = one_more(counts[PLACE[to]] or '0')
end

local function pay_owed()
  if owed then
    local counts = short_counts
    call('HSET', key('run', short_run), 'queued', counts[6] or '0', 'acked', counts[7] or '0', unpack(owed))
    owed = nil
  end
end

local function split_member(member)
  return string.match(member, '^([^/]*)/(.*)$')
end

-- The counts of all dependents as they will be, and those that wait for nothing else, as tasks to queue; nil when one
-- of these cannot be queued, or was expanded and would be done.
local function ready_dependents(run, ids)
  local counts = call('HMGET', key('waiting', run), unpack(ids))
  local left_now, ready = {}, {}
  for i = 1, #ids do
    local left = one_less(counts[i] or '0')
    left_now[2 * i - 1], left_now[2 * i] = ids[i], left
    if left == '0' then
      local member = run .. '/' .. ids[i]
      local stored = call('HMGET', key('task', member), 'state', 'type', 'executor', 'score', 'join')
      if stored[1] == 'pending' then
        if (stored[5] or '') ~= '' or not (stored[2] and stored[3] and tonumber(stored[4])) then
          return nil
        end
        stored.member, stored.id = member, ids[i]
        ready[#ready + 1] = stored
      end
    end
  end
  return left_now, ready
end

-- The first half. Returns what it answers, or nil when it is a matter for the general way; nothing is written then.
function finish_shortly(member, token, spent)
  if epoch.is_owed then
    return nil
  end
  local task_key = key('task', member)
  local task = call('HMGET', task_key, 'state', 'token', 'locks', 'attempt', 'spent', 'claimed_ms', 'type',
    'dependents', 'worker', 'skipped_ms')
  local state, dependents = task[1], task[8] or ''
  if task[2] ~= token or (state ~= 'acked' and state ~= 'running') or task[4] ~= '1' or task[10]
    or (task[5] or '') ~= '' or spent ~= NOTHING_SPENT or dependents == MANY or not tonumber(task[6]) then
    return nil
  end
  local run, id = split_member(member)
  local counts = read_short_run(run)
  if counts[1] ~= 'active' or not tonumber(counts[4]) or tonumber(counts[4]) <= 1 or (read_meta()[4] or '') ~= '' then
    return nil -- it would end the run, or there are limits to think of
  end
  local ids, left_now, ready = nil, nil, {}
  if dependents ~= '' then
    ids = split_lines(dependents)
    left_now, ready = ready_dependents(run, ids)
    if not left_now then
      return nil
    end
  end
  -- The bare prefix is never a key: an empty first set makes ZINTERCARD probe types and stop.
  local told_queued, zsets = {}, {prefix, key('leases')}
  for i = 1, #ready do
    told_queued[i] = ready[i].id
    zsets[#zsets + 1] = key('queue', ready[i][2])
  end
  if task[3] ~= '' then
    release_locks(parse_locks(task[3]), state ~= 'acked')
    settle_locks()
    settle_lots()
    probe_writes()
  end
  call('ZINTERCARD', number_text(#zsets), unpack(zsets))
  local busy = now - task[6]
  learn(ability.base_type(task[7]), busy)
  busy = number_text(busy)
  move_one(counts, state, 'done')
  counts[4] = one_less(counts[4])
  for _ = 1, #ready do
    move_one(counts, 'pending', 'queued')
  end

  if #ready > 0 then
    call('XADD', key('events'), '*', 'kind', 'task_done', 'run', run, 'task', id, 'state', 'done', 'attempt', '1',
      'commit', '', 'worker', task[9], 'queued', table.concat(told_queued, '\n'))
  else
    call('XADD', key('events'), '*', 'kind', 'task_done', 'run', run, 'task', id, 'state', 'done', 'attempt', '1',
      'commit', '', 'worker', task[9])
  end
  call('ZREM', key('leases'), member)
  call('HSET', task_key, 'state', 'done', 'ended_ms', now_text, 'busy_ms', busy)
  if ids then
    call('HSET', key('waiting', run), unpack(left_now))
  end
  for i = 1, #ready do
    local dependent = ready[i]
    call('HSET', key('task', dependent.member), 'state', 'queued', 'queued_ms', now_text)
    call('ZADD', key('queue', dependent[2]), dependent[4], dependent.member)
    ring(dependent[2], dependent[3])
  end
  owed = {'done', counts[9], 'live', counts[4]}
  if #ready > 0 then
    owed[#owed + 1], owed[#owed + 2] = 'pending', counts[5]
  end
  if state == 'running' then
    owed[#owed + 1], owed[#owed + 2] = 'running', counts[8]
  end
  if task[3] ~= '' then
    execute_writes()
    reset_locks()
  end
  return {has_left_work and 'MORE' or 'OK', unpack(told_queued)}
end

-- The second half: the head of the most urgent queue, if it is as plain; else nil, with nothing written.
local function claim_shortly(answer, from)
  local worker, claim_id, lease_ms, executors, first_type = unpack(args_of_call, from, from + 4)
  local last_id = string.match(claimed_last, '^(%S+)')
  if claim_id == last_id or is_older(claim_id, last_id) then
    return nil -- it was answered before
  end
  local known = read_meta()
  local types = first_type == '*' and ability.served_queues(executors) or nil
  local member, score, queue, type
  if types then
    for i = 1, #types do
      local name = key('queue', types[i])
      local head = call('ZRANGE', name, '0', '0', 'WITHSCORES')
      if head[1] and (not score or tonumber(head[2]) < score) then
        member, score, queue, type = head[1], tonumber(head[2]), name, types[i]
      end
    end
  elseif not args_of_call[from + 6] and not string.find(known[2] or '', '+', 1, true) then
    queue = key('queue', first_type)
    member, type = call('ZRANGE', queue, '0', '0')[1], first_type
  end
  if not member then
    return nil
  end
  local task_key = key('task', member)
  local task = call('HMGET', task_key, 'state', 'executor', 'locks', 'attempt', 'parked_ms', 'spec')
  if task[1] ~= 'queued' or task[4] or (task[5] or '0') ~= '0' -- whoever has a baton was parked
    or not string.find(executors, ',' .. task[2] .. ',', 1, true) then
    return nil
  end
  local run, id = split_member(member)
  if run ~= short_run then
    pay_owed()
  end
  local counts = read_short_run(run)
  if counts[1] ~= 'active' or (counts[10] or '') ~= '' or (counts[11] or '0') ~= '0' then
    return nil
  end
  local entries = parse_locks(task[3])
  if not is_empty(entries) and (find_blocker(entries) or (known[5] or '') ~= '') then
    return nil
  end
  if next(rung) then
    ring(type, task[2], -1)
    settle_bells()
  end
  local token = one_more(known[1] or '0')
  if not is_empty(entries) then
    acquire_locks(entries)
  end
  probe_writes()
  local tip = counts[2]
  move_one(counts, 'queued', 'acked')
  owed = owed or {}

  call('XADD', key('events'), '*', 'kind', 'task_claimed', 'run', run, 'task', id, 'state', 'acked', 'worker', worker,
    'attempt', '1', 'token', token, 'base', tip)
  call('ZREM', queue, member)
  call('ZADD', key('leases'), number_text(now + lease_ms), member)
  call('HSET', task_key, 'state', 'acked', 'token', token, 'attempt', '1', 'worker', worker, 'base', tip,
    'claimed_ms', now_text)
  call('HSET', key('meta'), 'fence', token, 'durations', known[3])
  has_learnt = false
  call('HSET', key('ops'), operation.caller, remembered(answer), 'claim:' .. worker, claim_line(claim_id, token, member))
  pay_owed()
  execute_writes()
  if not is_empty(entries) then
    reset_locks()
  end
  was_short = not has_left_work
  return granted(member, task[6], '1', token, tip, counts[3], lease_ms, '0', '')
end

-- The next claim in the same call, after a first half that went the short way.
function claim_after(answer, from)
  local bells = copy_bells()
  local is_sound, claimed = pcall(claim_shortly, answer, from)
  if is_sound and claimed then
    return both(answer, claimed)
  end
  pay_owed()
  if is_sound then
    return settle_and_claim(answer, from)
  end
  drop_writes()
  rung = bells
  pcall(settle_bells)
  remember(answer)
  settle_durations()
  commit_writes()
  return both(answer, {'FAILED'})
end
end
