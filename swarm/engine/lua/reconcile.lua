-- Record a landing that git proves but Redis does not know, whatever state the task is in; a cancelled run stays so.
-- KEYS[1]  the project's key prefix
-- ARGV     member, attempt, merge token, op_id, commit, the branch's tip, the merge token that stands for it
-- Writes   task, queue, delayed, leases, held, merging, slot, locks, reading, readers, wide, lock, lot, lots, parked,
--          bell, waiting, work, dead, deadlines, meta, run, events
-- Returns  {'OK', newly queued ids...} , {'KNOWN'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: pending -> done, queued -> done, acked -> done, running -> done, merging -> done, failed -> done,
--        upstream_failed -> done, cancelled -> done, skipped -> done, pending -> queued
local member, attempt, merge_token, op, commit, tip, tip_token = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local task = read_task(member)
if not task or not read_run(task.run).state then
  return {'UNKNOWN'}
end
if task.state == 'done' then
  return {'KNOWN'}
end
if tonumber(merge_token) > tonumber(read_meta()[1] or 0) then
  write_fields(key('meta'), {'fence', merge_token})
end
if tonumber(attempt) > tonumber(task.attempt) then
  task.attempt = attempt
  local claim = claims.text(task.token, attempt, task.claimed_ms, task.base, task.worker)
  write_fields(key('task', member), {'claim', claim})
end
if IS_TERMINAL[task.state] then
  write('ZREM', key('dead'), member)
  -- Cancelling is a person's word: git proves this landing, and nothing more may follow from it.
  local is_cancelled = task.state == 'cancelled' or read_run(task.run).state == 'cancelled'
  if not is_cancelled then
    reopen_run(task.run)
    leave_undoom(task)
  end
end
orders.bound_hold(task)
return settle({'OK', unpack(finish_task(task, '', commit, tip_token, tip))})
