-- Walks over dependents and over runs, each within a budget.
local visited

-- What becomes of a task that was expanded (`_expand.lua`); `ripe` are those whose last sink has just ended.
local expansion = {ripe = {}}

-- A few dependents stand in their dependency's own hash, one a line; many are a list.
local MANY = '*'

local function read_dependents(member, from, budget, text)
  text = text or read('HGET', key('task', member), 'dependents') or ''
  if text ~= MANY then
    local ids = split_lines(text)
    if from == 0 and #ids <= budget then
      return ids, nil
    end
    return {unpack(ids, from + 1, math.min(from + budget, #ids))}, #ids > from + budget and from + budget or nil
  end
  local list = key('dependents', member)
  local ids = read('LRANGE', list, from, from + budget - 1)
  local rest = #ids == budget and read('LLEN', list) > from + budget and from + budget or nil
  return ids, rest
end

-- Queue those of these tasks of a run that are pending, and nothing else: each costs few fields and no table of its own.
-- Returns the queued; `visit` gets the members of those that were expanded and wait for their parts.
local function queue_pending(run, ids, visit)
  local as_queued, entries, queued = {'state', 'queued', 'queued_ms', now_text}, {}, {}
  for _, id in ipairs(ids) do
    local member = run .. '/' .. id
    local task_key = key('task', member)
    local state, type, executor, score, join = unpack(read('HMGET', task_key, 'state', 'type', 'executor', 'score', 'join'))
    if state == 'pending' and (join or '') ~= '' then
      visit(member)
    elseif state == 'pending' then
      write_many('HSET', task_key, as_queued)
      local of_type = entries[type] or {}
      entries[type] = of_type
      of_type[#of_type + 1], of_type[#of_type + 2] = proven_score(member, score), member
      ring(type, executor)
      count_move(run, 'pending', 'queued')
      queued[#queued + 1] = id
    end
  end
  for type, of_type in pairs(entries) do
    write_many('ZADD', key('queue', type), of_type)
  end
  return queued
end

-- Tell dependents that a dependency is done. A task becomes done once, so each of its dependents counts it once.
-- Returns the newly queued.
local function trigger_dependents(run, id, from, text)
  local ids, rest = read_dependents(run .. '/' .. id, from, BUDGET, text)
  local ready, left_now = {}, {}
  if #ids > 0 then
    local waiting = key('waiting', run)
    local stored = read('HMGET', waiting, unpack(ids))
    for i, dependent in ipairs(ids) do
      local left = one_less(stored[i] or '0')
      left_now[2 * i - 1], left_now[2 * i] = dependent, left
      if left == '0' then
        ready[#ready + 1] = dependent
      end
    end
    write_fields(waiting, left_now)
  end
  local queued = queue_pending(run, ready, function(member)
    expansion.ripe[#expansion.ripe + 1] = read_task(member)
  end)
  if rest then
    leave_work('trigger', run .. '/' .. id, rest)
  end
  return queued
end

-- The dependencies of a task, as planned, and what it was expanded into and waits for; `join` where this call changed it.
local function dependencies_of(member, join)
  local stored = read('HMGET', key('task', member), 'spec', 'join')
  local ids = cjson.decode(stored[1]).dependencies or {}
  for _, id in ipairs(split_lines(join or stored[2] or '')) do
    ids[#ids + 1] = id
  end
  return ids
end

local function is_waiting(member)
  local run, id = string.match(member, '^([^/]*)/(.*)$')
  return tonumber(read('HGET', key('waiting', run), id) or 0) > 0
end

-- Walk dependents, and theirs, breadth first; `visit` says whether to go on beyond a task, and may spend of the budget too.
local function walk_dependents(kind, members, from, visit)
  local first = 1
  while first <= #members and budget > 0 do
    local member = members[first]
    local run = string.match(member, '^[^/]*')
    local ids, rest = read_dependents(member, from, budget)
    local looked = 0
    while looked < #ids and budget > 0 do
      looked, budget = looked + 1, budget - 1
      local dependent = run .. '/' .. ids[looked]
      local task = not visited[dependent] and read_task(dependent)
      visited[dependent] = true
      if task and visit(task, member) then
        members[#members + 1] = dependent
      end
    end
    if rest or looked < #ids then
      leave_work(kind, member, from + looked)
    end
    first, from, budget = first + 1, 0, budget - 1
  end
  for i = first, #members do
    leave_work(kind, members[i], 0)
  end
end

-- Without a reason, what is stored of the member says why.
local function doom_dependents(member, from, reason)
  if not reason then
    local stored = read('HMGET', key('task', member), 'state', 'failure_reason')
    reason = history.below(stored[1], string.match(member, '/(.*)$'), stored[2] or '')
  end
  walk_dependents('doom', {member}, from, function(task, cause)
    if task.state ~= 'pending' then
      return false
    end
    end_task(task, 'upstream_failed')
    write_fields(key('task', task.member), {'failure_reason', reason})
    emit('task_upstream_failed', task.run, task.id, {'state', 'upstream_failed', 'cause', cause})
    return task.skipped_ms == '0'
  end)
end

-- Walk a run in the plan's order, a page a call; `visit` moves a task and says so. Returns how many it moved, and
-- whether there may be more.
local function walk_run(kind, run, from, page, visit)
  local ids, count = read('ZRANGE', key('index', run), from, from + page - 1), 0
  for _, id in ipairs(ids) do
    local task = read_task(run .. '/' .. id)
    if task and visit(task) then
      count = count + 1
    end
  end
  if #ids == page then
    leave_work(kind, run, from + page)
  end
  return count, #ids == page
end

local CAN_RETRY = {failed = true, upstream_failed = true, cancelled = true}
local CAN_RETRY_BY_NAME = {failed = true, upstream_failed = true, cancelled = true, skipped = true}

-- A run that has ended, or was cancelled, has work again. A deadline that has passed has been had, told or not.
local function reopen_run(run)
  if restated[run] then
    return
  end
  local stored = read_run(run)
  if stored.ended_ms ~= '0' or stored.state == 'cancelled' then
    local state = stored.activated ~= '' and 'active' or 'loading'
    local due = tonumber(read('ZSCORE', key('deadlines'), run) or now + 1)
    if due <= now then
      write('ZREM', key('deadlines'), run)
    end
    restate_run(run, state)
    if stored.fail_fast ~= '' then
      write_run(run, 'stopped_by', '')
    end
    write('SADD', key('active'), run)
    emit('run_activated', run, '', {'state', state})
  end
end

-- Whoever ended once has no deadline of its own any more, passed or not: the run's still holds.
local function revive_task(task)
  reopen_run(task.run)
  write('ZREM', key('dead'), task.member)
  if read('HGET', key('task', task.member), 'deadline_ms') then
    write('HDEL', key('task', task.member), 'deadline_ms')
    write('ZREM', key('deadlines'), task.member)
  end
  write_fields(key('task', task.member), {'failures', '0', 'setbacks', '0', 'crashes', '0', 'crashed_ms', '', 'needs_person', '0',
    'failure_kind', '', 'failure_reason', '', 'called_off', '', 'tried_by', '', 'overtaken', '0'})
  claims.write_took(task, '0')
  local state = 'queued'
  if task.join ~= '' or not task.was_join and (is_waiting(task.member) or read_run(task.run).activated == '') then
    state = 'pending'
    if task.join ~= '' then
      leave_work('join', task.member, '') -- its sinks may all be done
    end
    count_move(task.run, task.state, state)
    write_fields(key('task', task.member), {'state', state})
  else
    queue_again(task, 0)
  end
  emit('task_retried', task.run, task.id, {'state', state})
end

local function retry_run_tasks(run, from)
  return walk_run('retry', run, from, BUDGET, function(task)
    if CAN_RETRY[task.state] then
      revive_task(task)
      return true
    end
  end)
end

-- A revived task needs its dependents back, and those of its dependencies that ended without being done. Each dependency
-- that is looked at spends of the budget: many tasks may share thousands of them, nearly all done.
local function revive_above(member, from, join)
  local run, ids, count = string.match(member, '^[^/]*'), dependencies_of(member, join), 0
  while from < #ids and budget > 0 do
    from, budget = from + 1, budget - 1
    local dependency = run .. '/' .. ids[from]
    local state = not visited[dependency] and read('HGET', key('task', dependency), 'state')
    if state and CAN_RETRY[state] then
      visited[dependency] = true
      revive_task(read_task(dependency))
      count = count + 1
      leave_work('revive_above', dependency, 0)
      leave_work('revive_below', dependency, 0)
    end
  end
  if from < #ids then
    leave_work('revive_above', member, from)
  end
  return count
end

local function revive_around(member, from)
  local count = 0
  walk_dependents('revive_below', {member}, from, function(task)
    if not CAN_RETRY[task.state] then
      return false
    end
    revive_task(task)
    count = count + 1 + revive_above(task.member, 0)
    return true
  end)
  return count
end

local function revive_one(task, may_be)
  if not may_be[task.state] then
    return 0
  end
  visited[task.member] = true
  revive_task(task)
  leave_work('revive_below', task.member, 0)
  return 1 + revive_above(task.member, 0, task.join)
end

-- Those that stood aside go back to their queues.
local function take_up_run(run)
  local aside = key('paused', run)
  local members = read('ZRANGE', aside, 0, BUDGET - 1)
  for _, member in ipairs(members) do
    local task = read_task(member)
    write('ZREM', aside, member)
    if task and task.state == 'queued' then
      enqueue(member, task.type, task.executor, task.score)
    end
  end
  if #members == BUDGET then
    leave_work('take_up', run, '')
  else
    write_run(run, 'paused', '')
  end
  return #members
end

-- Queue those of a run's tasks that wait for nothing, a page at a time; the last page makes the run active.
-- Most tasks of most plans wait: many are looked at for one that is queued.
local function activate_tasks(run, from)
  local LOOKS = 500
  if read_run(run).state ~= 'loading' then
    return {}
  end
  local ids, roots = read('ZRANGE', key('index', run), from, from + LOOKS - 1), {}
  local rest = #ids == LOOKS and from + #ids or nil
  local counts = #ids > 0 and read('HMGET', key('waiting', run), unpack(ids)) or {}
  for i, id in ipairs(ids) do
    if (counts[i] or '0') == '0' then
      roots[#roots + 1] = id
      if #roots == BUDGET and i < #ids then
        rest = from + i
        break
      end
    end
  end
  local queued = queue_pending(run, roots, function() end)
  event.tell_queued(run, queued)
  if rest then
    leave_work('activate', run, rest)
    return queued
  end
  write_run(run, 'state', 'active')
  emit('run_activated', run, '', {'state', 'active'})
  if count_live(read_run(run)) == 0 then
    restate_run(run, 'active') -- nothing in it, or all of it was cancelled while it was stored: it ends at once
  end
  return queued
end
