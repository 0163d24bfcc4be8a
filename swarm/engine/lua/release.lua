-- Put a held task back at once, no attempt charged.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, usage, reason; then, to take the next task in the same call, what `claim` takes
-- Writes   task, leases, held, locks, reading, readers, wide, lock, lot, lots, parked, queue, bell, run, meta, events;
--          with a claim, what `claim` writes
-- Returns  {'OK'}, {'STALE', current token}, {'CANCELLED'} or {'UNKNOWN'};
--          with a claim, once it is OK: {that as lines, what `claim` returns...}, or {that, 'FAILED'} when only the
--          claim erred
-- Flags: allow-oom
-- Moves: acked -> queued, running -> queued
local member, token, op, spent, reason = unpack(args, 1, 5)
local task, refusal = held_task(first_answer(op, args[6]), member, token, {acked = true, running = true})
if not task then
  return settle_and_claim(refusal, 6)
end
orders.bound_hold(task) -- it may be given back after an outage
void_token(task)
settle_usage(task, spent, false)
queue_again(task, 0)
emit('task_released', task.run, task.id, {'state', 'queued', 'worker', task.worker, 'attempt', task.attempt,
  'reason', reason})
return settle_and_claim({'OK'}, 6)
