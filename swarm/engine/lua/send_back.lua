-- The attempt did not land: queue its task again, or fail it and doom its dependents; free locks and slot.
-- KEYS[1]  the project's key prefix
-- ARGV     member, merge token, op_id, kind, reason, evidence, charged (1 or 0), retryable (1 or 0),
--          backoff base ms, backoff cap ms, backoff spread (0..1)
-- Writes   task, merging, slot, locks, reading, readers, wide, lock, lot, lots, parked, queue, delayed, bell, dead, work, run, ops, events
-- Returns  {'OK', state}, {'STALE', current merge token} or {'CANCELLED'}
-- Flags: allow-oom
-- Moves: merging -> queued, merging -> failed, pending -> upstream_failed
local member, merge_token, op = unpack(args, 1, 3)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local task = read_task(member)
if not task then
  return {'UNKNOWN'}
end
if task.state ~= 'merging' then
  return stale(task)
end
if task.merge_token ~= merge_token then
  return {'STALE', task.merge_token}
end
return settle({'OK', fail_attempt(task, 'task_sent_back', read_failure(4), '')})
