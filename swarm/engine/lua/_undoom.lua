-- Bringing back what failed because of others. A walk in the plan's order, a page a call, decides each task after those
-- that it depends on; where the order is another (a task that was expanded), the walk is repeated while it finds any. All
-- dependencies of one task are looked at in one call, lest one fail in between; the page ends when the budget is spent.
local retry_failed_tasks, retry_all_but_waiting, undoom_run, leave_undoom
do
  -- Revived in this call: what is stored of it is of before.
  local revived
  local takes_failed, takes_cancelled

  -- Whether this walk is about it: nobody wanted it to end, it failed with others or was called off with its run. What
  -- waits for a person's approval has not failed, and its attempt is kept for that.
  local function is_sought(state, called_off, failure_kind)
    if state == 'failed' then
      return takes_failed and failure_kind ~= 'approval'
    end
    return state == 'upstream_failed' or state == 'cancelled' and (takes_cancelled or takes_failed and called_off == '1')
  end

  -- 'yes', 'no', or 'not yet': of its dependencies only some are left that the walk is about themselves.
  local function may_go_on(task)
    local answer, ids = 'yes', dependencies_of(task.member)
    for i = 1, #ids do
      budget = budget - 1
      local member = task.run .. '/' .. ids[i]
      local stored = not revived[member] and read('HMGET', key('task', member), 'state', 'skipped_ms', 'called_off',
        'failure_kind')
      if stored and CAN_RETRY[stored[1]] and not stored[2] then
        if not is_sought(stored[1], stored[3], stored[4]) then
          return 'no'
        end
        answer = 'not yet'
      end
    end
    return answer
  end

  local function comes_back(task)
    local stored = CAN_RETRY[task.state] and read('HMGET', key('task', task.member), 'called_off', 'failure_kind') or {}
    if not is_sought(task.state, stored[1], stored[2]) then
      return 'no'
    end
    return task.state == 'failed' and 'yes' or may_go_on(task)
  end

  -- `from` is a place in the run, whether something was left for later, and whether something came back since.
  local function walk(kind, run, from)
    local place, held, again = string.match(from, '^(%d+) ?(%d?) ?(%d?)')
    local ids, count, looked = read('ZRANGE', key('index', run), place, place + BUDGET - 1), 0, 0
    revived = {}
    while looked < #ids and (looked == 0 or budget > 0) do
      looked = looked + 1
      local task = read_task(run .. '/' .. ids[looked])
      local answer = task and comes_back(task)
      if answer == 'yes' then
        revive_task(task)
        revived[task.member] = true
        again, count = held, count + 1
      elseif answer == 'not yet' then
        held = '1'
      end
    end
    if looked == BUDGET or looked < #ids then
      leave_work(kind, run, number_text(place + looked) .. ' ' .. (held == '1' and 1 or 0) .. ' ' .. (again == '1' and 1 or 0))
    elseif again == '1' then
      leave_work(kind, run, '0')
    end
    return count
  end

  -- What failed, and what failed or was called off because of it; not what a person cancelled.
  function retry_failed_tasks(run, from)
    takes_failed, takes_cancelled = true, false
    return walk('retry_failed', run, from)
  end

  -- All that ended without being done, but for what waits for approval, and what waits for that.
  function retry_all_but_waiting(run, from)
    takes_failed, takes_cancelled = true, true
    return walk('retry_all', run, from)
  end

  -- What failed with a task that has landed, or was skipped, after all; not what a person cancelled.
  function undoom_run(run, from)
    if read_run(run).state == 'cancelled' then
      return 0 -- since this was left over
    end
    takes_failed, takes_cancelled = false, false
    return walk('undoom', run, from)
  end

  function leave_undoom(task)
    leave_work('undoom', task.run, '0')
  end
end
