-- Going on without a task. `skipped_ms` stays for good: its dependents have been told, and whatever becomes of the
-- task when a person retries it by name, they wait for it no more and do not share its fate.

local function skip_task(task, interventions)
  if is_held_state(task.state) then
    history.add(task, 'cancelled', 'skipped by a person', true, 'skipped')
  end
  detach(task)
  local queued = {}
  if task.skipped_ms == '0' then
    queued = trigger_dependents(task.run, task.id, 0, task.dependents)
  end
  end_task(task, 'skipped')
  write_fields(key('task', task.member), {'needs_person', '0', 'skipped_ms', now_text, 'failure_kind', '',
    'failure_reason', '', 'called_off', ''})
  if IS_TERMINAL[task.state] then
    write('ZREM', key('dead'), task.member)
    if read_run(task.run).state ~= 'cancelled' then
      reopen_run(task.run)
      leave_undoom(task)
    end
  end
  if interventions then
    write_fields(key('run', task.run), {'interventions', number_text(tonumber(interventions) + 1)})
  end
  if #queued > 0 then
    emit('task_skipped', task.run, task.id, {'state', 'skipped', 'queued', table.concat(queued, '\n')})
  else
    emit('task_skipped', task.run, task.id, {'state', 'skipped'})
  end
  if task.join ~= '' then
    expansion.skip_parts(task.member)
  end
  return expansion.finish_ripe(queued)
end
