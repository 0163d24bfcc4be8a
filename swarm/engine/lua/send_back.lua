-- The attempt did not land: queue its task again, or fail it and doom its dependents; free locks and slot.
-- KEYS[1]  the project's key prefix
-- ARGV     member, merge token, op_id, kind, reason, evidence, charged (1 or 0), retryable (1 or 0),
--          backoff base ms, backoff cap ms, backoff spread (0..1)
-- Writes   task, merging, slot, locks, reading, readers, wide, lock, lot, lots, parked, queue, delayed, bell, dead,
--          work, run, active, meta, events
-- Returns  {'OK', state}, {'STALE', current merge token}, {'CANCELLED'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: merging -> queued, merging -> failed, pending -> upstream_failed
local member, merge_token, op = unpack(args, 1, 3)
local task, refusal = ticketed_task(first_answer(op), member, merge_token)
if not task then
  return refusal
end
return settle({'OK', fail_attempt(task, 'task_sent_back', read_failure(4), '')})
