-- The short way: an attempt that ends well and the claim after it, when nothing out of the ordinary is about: no usage,
-- first attempts, few dependents, and for the claim no lock in the way. In straight lines, every read before the first
-- write of its half, it does what `finish_task` and `grant` do in general; a test holds both ways to the same keys.
-- It takes a third of the time. A task's only dependent that becomes ready when nothing else of its run is queued is
-- handed over: it goes to its queue only when the second half takes another.
-- This is the first half; `_short_claim.lua` is the second. Of a call, `short` keeps
--   run, counts  the run that was read last, and its fields
--   owed         what the first half leaves for the second to write into the run's hash: one command for both
--   acked        how many are claimed by then; nothing for who ends one task and claims another
--   handed       who was handed over
--   ended        what is to be told of the attempt that ended: by one command with the claim
--   is_through   the call before went the short way to its end
-- and AT says where a count stands among the fields of a run that are read.
local short = {AT = {done = 6, queued = 7, acked = 8, pending = 9, running = 10}}

do
local AT = short.AT

-- The first few of these fields, as the first half has left them; the counts are texts. Each costs the server as much as
-- a quarter of a call: no more are read than the case at hand needs.
do
  local FIELDS_OF_RUN = {'state', 'tip', 'branch', 'paused', 'stopping', 'done', 'queued', 'acked', 'pending', 'running'}

  function short.read_run(run, last)
    if short.run ~= run then
      short.run, short.counts, short.acked = run, call('HMGET', key('run', run), unpack(FIELDS_OF_RUN, 1, last)), nil
    end
    return short.counts
  end
end

function short.pay_owed()
  local owed = short.owed
  if owed then
    if short.acked then
      owed[#owed + 1], owed[#owed + 2] = 'acked', short.acked
    end
    call('HSET', key('run', short.run), 'queued', short.counts[AT.queued] or '0', unpack(owed))
    short.owed = nil
  end
end

function short.split_member(member)
  return string.match(member, '^([^/]*)/(.*)$')
end

-- The counts of all dependents as they will be, and those that wait for nothing else, as tasks to queue; nil when one
-- of these cannot be queued, or was expanded and would be done. Of who is likely to be claimed next, what a claim reads
-- is read as well.
local function ready_dependents(run, ids, is_next)
  local counts = call('HMGET', key('waiting', run), unpack(ids))
  local left_now, ready = {}, {}
  for i = 1, #ids do
    local left = one_less(counts[i] or '0')
    left_now[2 * i - 1], left_now[2 * i] = ids[i], left
    if left == '0' then
      local member = run .. '/' .. ids[i]
      local stored = is_next and call('HMGET', key('task', member), 'state', 'type', 'executor', 'score', 'join',
        'locks', 'claim', 'spec')
        or call('HMGET', key('task', member), 'state', 'type', 'executor', 'score', 'join')
      if stored[1] == 'pending' then
        if (stored[5] or '') ~= '' or not (stored[2] and stored[3] and proven_score(member, stored[4])) then
          return nil
        end
        stored.member, stored.id = member, ids[i]
        ready[#ready + 1] = stored
      end
    end
  end
  return left_now, ready
end

-- Since when a first attempt is held by this token, and by whom; nothing where it has spent or shared what is out of the
-- ordinary.
function short.read_hold(task, token, spent)
  if (task[1] == 'acked' or task[1] == 'running') and (task[4] or '') == '' and spent == NOTHING_SPENT
    and task[6] ~= MANY and not task[7] then
    local current, claimed_ms, worker = string.match(task[2] or '', '^(%d+) 1 (%d+) %S* (.*)$')
    if current == token then
      return tonumber(claimed_ms), worker
    end
  end
end

-- Whether something of the run is live beside the task that ends.
function short.has_others(run, counts)
  if (counts[AT.queued] or '0') ~= '0' or (counts[AT.pending] or '0') ~= '0' then
    return true
  end
  local live = call('HMGET', key('run', run), 'pending', 'acked', 'running', 'merging')
  return (live[1] or 0) + (live[2] or 0) + (live[3] or 0) + (live[4] or 0) > 1
end

-- One task of the run is done, and so many more are queued.
function short.owe(counts, state, queued)
  local owed = {'done', one_more(counts[AT.done] or '0')}
  if state == 'running' then
    owed[3], owed[4] = 'running', one_less(counts[AT.running] or '0')
  else
    short.acked = one_less(counts[AT.acked] or '0')
  end
  if queued > 0 then
    counts[AT.queued] = number_text((counts[AT.queued] or 0) + queued)
    owed[#owed + 1], owed[#owed + 2] = 'pending', number_text((counts[AT.pending] or 0) - queued)
  end
  short.owed = owed
end

function short.note_end(run, id, worker, queued)
  local told = 'run=' .. run .. ' task=' .. id .. ' state=done attempt=1 worker=' .. event.escape(worker)
  short.ended = queued == '' and told or told .. ' queued=' .. queued
end

-- By itself, when no claim comes with it the short way.
function short.tell_end()
  call('XADD', key('events'), '*', 'task_done', short.ended)
end

function short.queue(dependent)
  call('HSET', key('task', dependent.member), 'state', 'queued', 'queued_ms', now_text)
  call('ZADD', key('queue', dependent[2]), dependent[4], dependent.member)
end

function short.queue_handed()
  if short.handed then
    short.queue(short.handed)
    short.handed = nil
  end
end

-- The first half. Returns what it answers, as lines, or nil when it is a matter for the general way; nothing is written then.
function short.finish(member, token, spent)
  if epoch.is_owed then
    return nil
  end
  local task_key = key('task', member)
  local task = call('HMGET', task_key, 'state', 'claim', 'locks', 'spent', 'type', 'dependents', 'skipped_ms')
  local claimed_ms, worker = short.read_hold(task, token, spent)
  if not claimed_ms then
    return nil
  end
  local state, locks, dependents = task[1], task[3] or '', task[6] or ''
  local run, id = short.split_member(member)
  local counts = short.read_run(run, state == 'running' and AT.running or dependents ~= '' and AT.pending or AT.acked)
  if counts[1] ~= 'active' or (read_meta()[4] or '') ~= '' or not short.has_others(run, counts) then
    return nil -- it would end the run, or there are limits to think of
  end
  local ids, left_now, ready, is_next = nil, nil, {}, false
  if dependents ~= '' then
    ids = split_lines(dependents)
    is_next = #ids == 1 and counts[AT.queued] == '0'
    left_now, ready = ready_dependents(run, ids, is_next)
    if not left_now then
      return nil
    end
  end
  local told_queued, queues = {}, {}
  for i = 1, #ready do
    told_queued[i], queues[i] = ready[i].id, key('queue', ready[i][2])
  end
  told_queued = table.concat(told_queued, '\n')
  if locks ~= '' then
    release_locks(parse_locks(locks), state ~= 'acked')
    settle_locks()
    settle_lots()
    probe_writes()
  end
  -- Proves their types, as `probe_writes` does; events come last here.
  call('XLEN', key('events'))
  call('ZINTERCARD', number_text(#ready + 2), prefix, key('leases'), unpack(queues))
  local busy = now - claimed_ms
  learn(ability.base_type(task[5]), busy)
  short.owe(counts, state, #ready)

  short.note_end(run, id, worker, told_queued)
  call('ZREM', key('leases'), member)
  call('HSET', task_key, 'state', 'done', 'took', number_text(busy) .. ' ' .. now_text)
  if ids then
    call('HSET', key('waiting', run), unpack(left_now))
  end
  for i = 1, #ready do
    ring(ready[i][2], ready[i][3]) -- who claims it takes it back
    if is_next then
      short.handed = ready[i]
    else
      short.queue(ready[i])
    end
  end
  if locks ~= '' then
    execute_writes()
    reset_locks()
  end
  local said = has_left_work and 'MORE' or 'OK'
  return told_queued == '' and said or said .. '\n' .. told_queued
end
end
