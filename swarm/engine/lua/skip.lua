-- Go on without a task: its dependents count it as done, and nobody runs it.
-- KEYS[1]  the project's key prefix
-- ARGV     run, task id, op_id
-- Writes   task, queue, delayed, leases, held, merging, slot, locks, reading, readers, wide, lock, lot, lots, parked,
--          bell, waiting, work, dead, deadlines, active, run, meta, events
-- Returns  {'OK', tasks moved, newly queued ids...}, {'LOADING'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: pending -> skipped, queued -> skipped, acked -> skipped, running -> skipped, merging -> skipped,
--        failed -> skipped, upstream_failed -> skipped, cancelled -> skipped, pending -> done,
--        pending -> queued
local run, id, op = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local run_key = key('run', run)
local stored = read('HMGET', run_key, 'interventions', 'activated')
local task = read_task(run .. '/' .. id)
if not task then
  return {'UNKNOWN'}
end
-- Dependents that are not stored yet could not be told.
if not stored[2] then
  return {'LOADING'}
end
if task.state == 'done' or task.state == 'skipped' then
  return settle({'OK', '0'})
end
return settle({'OK', '1', unpack(skip_task(task, stored[1] or '0'))})
