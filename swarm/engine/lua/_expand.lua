-- A task that was expanded waits as a join: `pending`, with the sinks of what it was expanded into in `join` and all of
-- that in `parts`. It is done when its last sink is, without a turn in a queue; the join around it may then be, and so on.
do
  local function parts_of(member)
    return split_lines(read('HGET', key('task', member), 'parts') or '')
  end

  local function finish(task, queued)
    end_task(task, 'done')
    write_fields(key('task', task.member), {'failure_kind', '', 'failure_reason', '', 'needs_person', '0'})
    local own = task.skipped_ms ~= '0' and {} or trigger_dependents(task.run, task.id, 0, task.dependents)
    local fields = {'state', 'done', 'attempt', task.attempt, 'worker', ''}
    if #own > 0 then
      fields[#fields + 1], fields[#fields + 2] = 'queued', table.concat(own, '\n')
    end
    emit('task_done', task.run, task.id, fields)
    for i = 1, #own do
      queued[#queued + 1] = own[i]
    end
  end

  -- Joins whose last sink this call has ended are done, from the inside to the outside; returns `queued` with what that
  -- lets go on. One at a time: two would read the counts of what waits for both as they were before either.
  function expansion.finish_ripe(queued)
    while expansion.ripe[1] do
      local ripe = expansion.ripe
      expansion.ripe = {}
      for i = 1, #ripe do
        if i == 1 and budget > 0 then
          budget = budget - 1
          finish(ripe[i], queued)
        else
          leave_work('join', ripe[i].member, '')
        end
      end
    end
    return queued
  end

  -- A join that was revived may have nothing left to wait for.
  function expansion.finish_if_ripe(member, queued)
    local task = read_task(member)
    if task and task.state == 'pending' and task.join ~= '' and not is_waiting(member) then
      finish(task, queued)
      expansion.finish_ripe(queued)
    end
  end

  -- Those that wait for others first, so that none of them is queued in between.
  function expansion.skip_parts(member)
    local run, ids = string.match(member, '^[^/]*'), parts_of(member)
    for i = #ids, 1, -1 do
      leave_work('skip', run .. '/' .. ids[i], '')
    end
  end

  function expansion.skip_part(member, queued)
    local task = read_task(member)
    if not task or task.state == 'done' or task.state == 'skipped' then
      return
    end
    for _, id in ipairs(skip_task(task)) do
      queued[#queued + 1] = id
    end
  end

  -- What a task was expanded into at once; what that was expanded into is left as work.
  function expansion.cancel_parts(member)
    local run, count = string.match(member, '^[^/]*'), 0
    for _, id in ipairs(parts_of(member)) do
      local task = read_task(run .. '/' .. id)
      visited[run .. '/' .. id] = true
      if task and task.join ~= '' and task.state ~= 'done' then
        leave_work('cancel_parts', task.member, '')
      end
      if task and not IS_TERMINAL[task.state] then
        cancel_task(task)
        count = count + 1
      end
    end
    return count
  end

  -- Make it a task like any other again. Nobody waits for its parts any more, whatever becomes of them.
  function expansion.undo(task)
    for _, id in ipairs(split_lines(task.join)) do
      write_fields(key('task', task.run .. '/' .. id), {'dependents', ''})
    end
    expansion.skip_parts(task.member)
    write_fields(key('task', task.member), {'join', '', 'parts', ''})
    write_fields(key('waiting', task.run), {task.id, '0'})
    task.join, task.was_join = '', true
  end
end
