-- The attempt is durable in git: end the lease, keep token and locks, and wait to be merged.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, commit, usage, how long the locks' display lasts (ms), what its reviewer said (or
--          nothing); then, to take the next task in the same call, what `claim` takes
-- Writes   task, leases, held, merging, run, lock, bell, meta, events;
--          with a claim, what `claim` writes
-- Returns  {'OK'}, {'STALE', current token}, {'CANCELLED'} or {'UNKNOWN'};
--          with a claim, once it is OK: {that as lines, what `claim` returns...}, or {that, 'FAILED'} when only the
--          claim erred
-- Flags: allow-oom
-- Moves: running -> merging
local member, token, op, commit, spent, display_ms, review = unpack(args, 1, 7)
local task, refusal = held_task(first_answer(op, args[8]), member, token, {running = true})
if not task then
  return settle_and_claim(refusal, 8)
end
count_move(task.run, 'running', 'merging')
orders.end_lease(task)
write('ZADD', key('merging'), proven_score(member, task.score), member)
write_fields(key('task', member), {'state', 'merging', 'attempt_commit', commit, 'handed_in_ms', now_text,
  'merge_token', '', 'spent', spent == NOTHING_SPENT and task.spent or spent})
if review ~= '' or task.attempt ~= '1' then
  write_fields(key('task', member), {'review', review}) -- not that of an attempt before this one
end
claims.write_took(task, '0')
show_locks(parse_locks(task.locks), member, token, display_ms)
emit('task_handed_in', task.run, task.id, {'state', 'merging', 'worker', task.worker, 'attempt', task.attempt,
  'commit', commit})
return settle_and_claim({'OK'}, 8)
