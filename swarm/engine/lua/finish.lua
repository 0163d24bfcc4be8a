-- End a task that has nothing to merge.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, usage; then, to take the next task in the same call, what `claim` takes
-- Writes   task, leases, held, locks, reading, readers, wide, lock, lot, lots, parked, queue, bell, waiting, work,
--          run, active, meta, events;
--          with a claim, what `claim` writes
-- Returns  {'OK' or 'MORE', newly queued ids...}, {'STALE', current token}, {'CANCELLED'} or {'UNKNOWN'};
--          with a claim, once it is OK: {that as lines, what `claim` returns...}, or {that, 'FAILED'} when only the
--          claim erred
-- Flags: allow-oom
-- Moves: acked -> done, running -> done, pending -> done, pending -> queued
local member, token, op, spent = unpack(args, 1, 4)
local repeated = first_answer(op, args[5])
local answer = not repeated and args[5] and short.finish(member, token, spent)
if answer then
  return short.claim_after(answer, 5)
end
local task, refusal = held_task(repeated, member, token, {acked = true, running = true})
if not task then
  return settle_and_claim(refusal, 5)
end
return settle_and_claim({'OK', unpack(finish_task(task, spent, '', ''))}, 5)
