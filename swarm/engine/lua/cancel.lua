-- Cancel a run, active, or one task with what it was expanded into and what depends on it; what a budget does not
-- cover is left as work.
-- KEYS[1]  the project's key prefix
-- ARGV     run, task id or '', op_id
-- Writes   task, queue, delayed, leases, held, merging, slot, locks, reading, readers, wide, lock, lot, lots, parked,
--          bell, work, run, meta, events
-- Returns  {'OK', tasks moved} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: pending -> cancelled, queued -> cancelled, acked -> cancelled, running -> cancelled, merging -> cancelled
local run, id, op = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local state = read('HMGET', key('run', run), 'state', 'ended_ms')
if not state[1] then
  return {'UNKNOWN'}
end
if id == '' then
  if state[2] ~= '0' then
    return settle({'OK', '0'})
  end
  restate_run(run, 'cancelled')
  emit('run_cancelled', run, '', {'state', 'cancelled'})
  return settle({'OK', number_text(cancel_run_tasks(run, 0))})
end
local task = read_task(run .. '/' .. id)
if not task then
  return {'UNKNOWN'}
end
local count = task.join ~= '' and task.state ~= 'done' and expansion.cancel_parts(task.member) or 0
if IS_TERMINAL[task.state] then
  return settle({'OK', number_text(count)})
end
cancel_task(task)
local below = task.skipped_ms == '0' and cancel_dependents(task.member, 0) or 0
return settle({'OK', number_text(1 + count + below)})
