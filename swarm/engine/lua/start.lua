-- The workspace is made and the agent begins.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token
-- Writes   task, run, events
-- Returns  {'OK'}, {'STALE', current token} or {'CANCELLED'}
-- Flags: allow-oom
-- Moves: acked -> running
local task = read_task(args[1])
if not task then
  return {'UNKNOWN'}
end
if task.token ~= args[2] or (task.state ~= 'acked' and task.state ~= 'running') then
  return stale(task)
end
if task.state == 'running' then
  return {'OK'}
end
count_move(task.run, 'acked', 'running')
write('HSET', key('task', task.member), 'state', 'running', 'started_ms', now_text)
emit('task_started', task.run, task.id, 'state', 'running', 'worker', task.worker, 'attempt', task.attempt)
return settle({'OK'})
