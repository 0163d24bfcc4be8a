-- End a task that has nothing to merge.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, usage
-- Writes   task, leases, locks, reading, readers, wide, lock, lot, lots, parked, queue, bell, waiting, work, run, ops, events
-- Returns  {'OK', newly queued ids...}, {'STALE', current token} or {'CANCELLED'}
-- Flags: allow-oom
-- Moves: running -> done, pending -> queued
local member, token, op, spent = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local task = read_task(member)
if not task then
  return {'UNKNOWN'}
end
if task.token ~= token or task.state ~= 'running' then
  return stale(task)
end
return settle({'OK', unpack(finish_task(task, spent, '', ''))})
