-- Bringing back what failed because of others. A walk in the plan's order, a page a call, decides each task after those
-- that it depends on; where the order is another (a task that was expanded), the walk is repeated while it finds any. All
-- dependencies of one task are looked at in one call, lest one fail in between; the page ends when the budget is spent.
local retry_failed_tasks, undoom_run, leave_undoom
do
  -- Revived in this call: what is stored of it is of before.
  local revived

  local function is_in_the_way(member)
    if revived[member] then
      return nil
    end
    local stored = read('HMGET', key('task', member), 'state', 'skipped_ms')
    return not stored[2] and CAN_RETRY[stored[1]] and stored[1] or nil
  end

  -- 'yes', 'no', or 'not yet': of its dependencies only some are left that failed because of others themselves.
  local function may_go_on(task)
    local answer, ids = 'yes', dependencies_of(task.member)
    for i = 1, #ids do
      budget = budget - 1
      local state = is_in_the_way(task.run .. '/' .. ids[i])
      if state == 'upstream_failed' then
        answer = 'not yet'
      elseif state then
        return 'no'
      end
    end
    return answer
  end

  -- `from` is a place in the run, whether something was left for later, and whether something came back since.
  local function walk(kind, run, from, takes_failed)
    local place, held, again = string.match(from, '^(%d+) ?(%d?) ?(%d?)')
    local ids, count, looked = read('ZRANGE', key('index', run), place, place + BUDGET - 1), 0, 0
    revived = {}
    while looked < #ids and (looked == 0 or budget > 0) do
      looked = looked + 1
      local task = read_task(run .. '/' .. ids[looked])
      local answer = task and task.state == 'upstream_failed' and may_go_on(task)
      if answer == 'yes' or takes_failed and task and task.state == 'failed' then
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

  -- What failed, and what failed because of it; not what a person cancelled.
  function retry_failed_tasks(run, from)
    return walk('retry_failed', run, from, true)
  end

  -- What failed with a task that has landed, or was skipped, after all; not what a person cancelled.
  function undoom_run(run, from)
    if read_run(run).state == 'cancelled' then
      return 0 -- since this was left over
    end
    return walk('undoom', run, from, false)
  end

  function leave_undoom(task)
    leave_work('undoom', task.run, '0')
  end
end
