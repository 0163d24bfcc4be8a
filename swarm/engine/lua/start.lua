-- The workspace is made and the agent begins.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token
-- Writes   task, run, lock, events
-- Returns  {'OK'}, {'STALE', current token}, {'CANCELLED'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: acked -> running
local task, refusal = held_task(nil, args[1], args[2], {acked = true, running = true})
if not task then
  return refusal
end
if task.state == 'running' then
  return {'OK'}
end
count_move(task.run, 'acked', 'running')
write_fields(key('task', task.member), {'state', 'running', 'started_ms', now_text})
local ends = read('ZSCORE', key('leases'), task.member)
if ends and tonumber(ends) > now then
  show_locks(parse_locks(task.locks), task.member, task.token, number_text(tonumber(ends) - now))
end
emit('task_started', task.run, task.id, {'state', 'running', 'worker', task.worker, 'attempt', task.attempt})
return settle({'OK'})
