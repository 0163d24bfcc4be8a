-- The attempt landed: free its locks and the merge slot, move the run's tip forward, trigger dependents.
-- KEYS[1]  the project's key prefix
-- ARGV     member, merge token, op_id, commit, the branch's tip, the merge token that stands for it,
--          which advisory gates were red, and which green ones compared nothing (both may be left out)
-- Writes   task, merging, slot, locks, reading, readers, wide, lock, lot, lots, parked, queue, bell, waiting, work,
--          run, active, meta, events
-- Returns  {'OK' or 'MORE', newly queued ids...}, {'STALE', current merge token}, {'CANCELLED'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: merging -> done, pending -> done, pending -> queued
local member, merge_token, op, commit, tip, tip_token, red_advisory, gates_hollow = unpack(args)
local task, refusal = ticketed_task(first_answer(op), member, merge_token)
if not task then
  return refusal
end
return settle({'OK', unpack(finish_task(task, '', commit, tip_token, tip, red_advisory, gates_hollow))})
