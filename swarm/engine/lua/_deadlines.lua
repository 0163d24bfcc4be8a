-- Deadlines that have passed. Whoever holds a task that is over it is told by its void token.
local expire_run_tasks, expire_due
do
  local DEADLINES_A_CALL, EXPIRED_A_CALL, AGAIN_MS = 40, 50, 1000

  local function expire_task(task, reason)
    visited[task.member] = true
    if is_held_state(task.state) then
      history.add(task, 'timeout', reason, false, 'failed')
    end
    detach(task)
    write_fields(key('task', task.member), {'failure_kind', 'timeout', 'failure_reason', reason})
    emit('task_failed', task.run, task.id, {'state', 'failed', 'kind_of_failure', 'timeout', 'reason', reason,
      'attempt', task.attempt, 'worker', task.worker})
    fail_for_good(task, reason)
  end

  -- In the plan's order: whatever waits for what is met here fails with it, or is met later.
  function expire_run_tasks(run, from)
    return walk_run('expire', run, from, EXPIRED_A_CALL, function(task)
      if task.state ~= 'pending' and not IS_TERMINAL[task.state] then
        expire_task(task, 'the deadline of its run has passed')
        return true
      end
    end)
  end

  local function expire_member(member, answer)
    local task = read_task(member)
    write('ZREM', key('deadlines'), member)
    if task and not IS_TERMINAL[task.state] then
      expire_task(task, 'its deadline has passed')
      answer[#answer + 1] = member
      answer[#answer + 1] = task.worker
      answer[#answer + 1] = 'failed'
    end
  end

  -- Fail what is over its deadline: triples of member, worker, state; nil when nothing is.
  function expire_due()
    local due = read('ZRANGEBYSCORE', key('deadlines'), '-inf', now_text, 'LIMIT', 0, DEADLINES_A_CALL)
    if #due == 0 then
      return nil
    end
    local answer = {'MORE'}
    for _, name in ipairs(due) do
      local run = read_run(string.match(name, '^[^/]*'))
      if run.state == 'loading' then
        -- Dependents that are not stored yet could not be told.
        write('ZADD', key('deadlines'), number_text(now + AGAIN_MS), name)
      elseif string.find(name, '/', 1, true) then
        if not visited[name] then
          expire_member(name, answer)
        end
      else
        write('ZREM', key('deadlines'), name)
        if run.ended_ms == '0' then
          leave_work('expire', name, 0)
        end
      end
    end
    return answer
  end
end
