-- Calling off: a task, what depends on it, a run, or what is left of one that stops at its first failure.

-- By a person, when no other reason is given; with one it is marked, so that it comes back with what failed.
local function cancel_task(task, reason)
  if is_held_state(task.state) then
    history.add(task, 'cancelled', reason or 'cancelled by a person', true, 'cancelled')
  end
  detach(task)
  end_task(task, 'cancelled')
  local task_key = key('task', task.member)
  if task.attempt ~= '0' then
    write_fields(task_key, {'failure_kind', '', 'failure_reason', ''})
  end
  if reason then
    write_fields(task_key, {'failure_reason', reason, 'called_off', '1'})
  end
  emit('task_cancelled', task.run, task.id, {'state', 'cancelled', 'reason', reason or ''})
end

local function cancel_dependents(member, from)
  local count = 0
  walk_dependents('cancel_below', {member}, from, function(task)
    if IS_TERMINAL[task.state] then
      return false
    end
    cancel_task(task)
    count = count + 1
    return task.skipped_ms == '0'
  end)
  return count
end

local function cancel_run_tasks(run, from, kind, reason)
  return walk_run(kind or 'cancel', run, from, BUDGET, function(task)
    if not IS_TERMINAL[task.state] then
      cancel_task(task, reason)
      return true
    end
  end)
end

do
-- Walks that call off what is left of a run after a failure: while one is not over, nothing of the run is claimed.
local function count_walks(run, change)
  write_run(run, 'stopping', number_text(tonumber(read_run(run).stopping) + change))
end

function orders.stop_at(failed, run)
  write_run(run, 'stopped_by', failed)
  count_walks(run, 1)
  leave_work('stop', run, 0)
end

function orders.stop_run(run, from)
  local failed = read('HGET', key('run', run), 'stopped_by') or ''
  local is_over = failed == '' -- a person has tried it again since this was left over
  if not is_over then
    local _, has_more = cancel_run_tasks(run, from, 'stop', 'the run stops at its first failure: ' .. failed)
    is_over = not has_more
  end
  if is_over and read_run(run).state then
    count_walks(run, -1)
  end
end
end
