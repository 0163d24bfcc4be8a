-- Queue again what failed or was cancelled: one task with all that it needs and blocks, or a whole run.
-- KEYS[1]  the project's key prefix
-- ARGV     run, task id or '', op_id, `failed` (of a run: neither what a person cancelled nor what waits for approval),
--          `unasked` (of a run: not what waits for approval), `fresh` (of a task: as if it had never been tried) or '',
--          what the next attempt of a task is told of the last one or ''
-- Writes   task, queue, bell, dead, deadlines, work, active, run, meta, events
-- Returns  {'OK', tasks moved} or {'UNKNOWN'}
-- Moves: failed -> queued, failed -> pending, cancelled -> queued, cancelled -> pending, upstream_failed -> pending,
--        upstream_failed -> queued, skipped -> queued, skipped -> pending
local run, id, op, how, evidence = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local run_key = key('run', run)
local stored = read('HMGET', run_key, 'state', 'interventions')
local task = id == '' or read_task(run .. '/' .. id)
if not stored[1] or not task then
  return {'UNKNOWN'}
end
local moved
if id ~= '' then
  if task.join ~= '' and (how == 'fresh' or task.state == 'skipped') and CAN_RETRY_BY_NAME[task.state] then
    expansion.undo(task)
  end
  moved = revive_one(task, CAN_RETRY_BY_NAME)
  if moved > 0 and how == 'fresh' then
    write_fields(key('task', task.member), {'fresh_after', task.attempt, 'evidence', '', 'attempt_commit', '', 'review', ''})
  end
  if moved > 0 and (evidence or '') ~= '' then
    write_fields(key('task', task.member), {'evidence', evidence})
  end
elseif how == 'failed' then
  moved = retry_failed_tasks(run, '0')
else
  if read_run(run).activated == '' then
    reopen_run(run) -- there may be no task in it yet: whoever submits its plan again goes on with it
  end
  if how == 'unasked' then
    moved = retry_all_but_waiting(run, '0')
  else
    moved = retry_run_tasks(run, 0)
  end
end
if moved > 0 or id == '' then
  write_fields(run_key, {'interventions', number_text(tonumber(stored[2] or 0) + 1)})
  if read_run(run).fail_fast ~= '' then
    write_run(run, 'stopped_by', '') -- what is left of calling it off is not done any more
  end
end
return settle({'OK', number_text(moved)})
