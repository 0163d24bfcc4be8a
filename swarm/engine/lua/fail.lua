-- End an attempt that went wrong: queue the task again with backoff, or fail it and doom its dependents.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, usage, kind, reason, evidence, charged (1 or 0), retryable (1 or 0),
--          backoff base ms, backoff cap ms, backoff spread (0..1); then, to take the next task in the same call, what
--          `claim` takes
-- Writes   task, leases, held, locks, reading, readers, wide, lock, lot, lots, parked, queue, delayed, bell, dead,
--          work, run, active, meta, events;
--          with a claim, what `claim` writes
-- Returns  {'OK' or 'MORE', state}, {'STALE', current token}, {'CANCELLED'} or {'UNKNOWN'};
--          with a claim, once it is OK: {that as lines, what `claim` returns...}, or {that, 'FAILED'} when only the
--          claim erred
-- Flags: allow-oom
-- Moves: acked -> queued, running -> queued, acked -> failed, running -> failed, pending -> upstream_failed
local member, token, op, spent = unpack(args, 1, 4)
local task, refusal = held_task(first_answer(op, args[13]), member, token, {acked = true, running = true})
if not task then
  return settle_and_claim(refusal, 13)
end
return settle_and_claim({'OK', fail_attempt(task, 'task_sent_back', read_failure(5), spent)}, 13)
