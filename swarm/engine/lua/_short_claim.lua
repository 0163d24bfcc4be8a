-- The second half of the short way: the head of the most urgent queue, if it is as plain.
do
local AT = short.AT

-- Who of these queues goes first, and in which; who was handed over counts among them, and goes to its queue when another
-- is before it: then the queues are looked at once more.
function short.first_of(types)
  local handed, is_served, member, score, type = short.handed, false, nil, nil, nil
  for i = 1, #types do
    local head = call('ZRANGE', key('queue', types[i]), '0', '0', 'WITHSCORES')
    if head[1] and (not score or tonumber(head[2]) < score) then
      member, score, type = head[1], tonumber(head[2]), types[i]
    end
    is_served = is_served or handed and handed[2] == types[i]
  end
  if not handed then
    return member, type
  elseif is_served and (not score or tonumber(handed[4]) < score) then
    return handed.member, handed[2]
  end
  short.queue_handed()
  return short.first_of(types)
end

-- The same, of what a claim asks for; nothing where that is out of the ordinary.
local function asked_for(executors, first_type, has_more_types, known_types)
  if first_type == '*' then
    return short.first_of(ability.served_queues(executors))
  elseif has_more_types or string.find(known_types, '+', 1, true) then
    return nil
  elseif short.handed then
    return short.first_of({first_type})
  end
  return call('ZRANGE', key('queue', first_type), '0', '0')[1], first_type
end

-- Executor, locks and spec of a queued task in its first attempt; nothing of any other.
local function read_plain(task_key)
  local handed = short.handed
  if handed then
    return handed[3], handed[6], not handed[7] and handed[8]
  end
  local task = call('HMGET', task_key, 'state', 'executor', 'locks', 'claim', 'parked_ms', 'spec')
  if task[1] == 'queued' and not task[4] and (task[5] or '0') == '0' then -- whoever has a baton was parked
    return task[2], task[3], task[6]
  end
end

-- Nothing is written before the token is given out, and nothing fails after it.
local function write_claim(member, run, id, task_key, type, worker, ends_ms, token, tip)
  call('XADD', key('events'), '*', 'task_done', short.ended, 'task_claimed', 'run=' .. run .. ' task=' .. id
    .. ' state=acked worker=' .. event.escape(worker) .. ' attempt=1 token=' .. token .. ' base=' .. tip)
  call('ZADD', key('leases'), ends_ms, member)
  local claimed = claims.text(token, '1', now_text, tip, worker)
  if short.handed then
    call('HSET', task_key, 'queued_ms', now_text, 'state', 'acked', 'claim', claimed)
    short.handed = nil
  else
    call('ZREM', key('queue', type), member)
    call('HSET', task_key, 'state', 'acked', 'claim', claimed)
  end
end

-- nil, with nothing of its own written, where it is a matter for the general way.
local function claim(said, from)
  local worker, claim_id, lease_ms, executors, first_type = unpack(args_of_call, from, from + 4)
  local last_id = string.match(claimed_last, '^(%S+)')
  if claim_id == last_id or is_older(claim_id, last_id) then
    return nil -- it was answered before
  end
  local known = read_meta()
  local member, type = asked_for(executors, first_type, args_of_call[from + 6], known[2] or '')
  if not member then
    return nil
  end
  local task_key = key('task', member)
  local executor, locks, spec = read_plain(task_key)
  if not spec or not string.find(executors, ',' .. executor .. ',', 1, true) or string.find(executors, ',-', 1, true) then
    return nil
  end
  local run, id = short.split_member(member)
  if run ~= short.run then
    short.pay_owed()
  end
  local counts = short.read_run(run, AT.acked)
  local tip, branch = counts[2], counts[3]
  if counts[1] ~= 'active' or (counts[4] or '') ~= '' or (counts[5] or '0') ~= '0' or not (tip and branch) then
    return nil
  end
  local entries = parse_locks(locks)
  if not is_empty(entries) and (find_blocker(entries) or (known[5] or '') ~= '') then
    return nil
  end
  if next(rung) then
    ring(type, executor, -1)
    settle_bells()
  end
  local token = one_more(known[1] or '0')
  if not is_empty(entries) then
    acquire_locks(entries)
  end
  if next(pending) then
    probe_writes()
  end
  counts[AT.queued], short.acked = one_less(counts[AT.queued] or '0'), not short.acked and one_more(counts[AT.acked] or '0')
  short.owed = short.owed or {}

  write_claim(member, run, id, task_key, type, worker, number_text(now + lease_ms), token, tip)
  call('HSET', key('meta'), 'fence', token, 'durations', known[3], operation.field, remembered(said),
    'claim:' .. worker, claim_line(claim_id, token, member))
  has_learnt = false
  short.pay_owed()
  if next(pending) then
    execute_writes()
  end
  if not is_empty(entries) then
    reset_locks()
  end
  short.is_through = not has_left_work
  return {said, granted(member, spec, '1', token, tip, branch, lease_ms, '0', '')}
end

-- The next claim in the same call, after a first half that went the short way.
function short.claim_after(said, from)
  local bells = next(rung) and copy_bells()
  local is_sound, claimed = pcall(claim, said, from)
  if is_sound and claimed then
    return claimed
  end
  short.tell_end()
  short.queue_handed()
  local answer = split_lines(said)
  short.pay_owed()
  if is_sound then
    return settle_and_claim(answer, from)
  end
  drop_writes()
  rung = bells or {}
  pcall(settle_bells)
  remember(answer)
  settle_durations()
  commit_writes()
  return both(answer, {'FAILED'})
end
end
