-- Note by when a run that is being stored, and tasks of it, must have ended, from now on. A submission that was killed
-- in the middle is completed by another one, and that counts as when the run was submitted.
-- KEYS[1]  the project's key prefix
-- ARGV     run, then pairs: task id ('' for the run itself), ms since the run was submitted ('': none)
-- Writes   deadlines, task, run, runs
-- Returns  {'OK'} or {'UNKNOWN'}
-- Moves: none
local run = args[1]
local run_key = key('run', run)
local stored = read('HMGET', run_key, 'state', 'activated')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] ~= 'loading' or stored[2] then
  return {'OK'}
end
write_fields(run_key, {'submitted_ms', now_text})
write('ZADD', key('runs'), now_text, run)
for i = 2, #args, 2 do
  local due = args[i + 1] ~= '' and number_text(now + tonumber(args[i + 1]))
  if not due then
    write('HDEL', run_key, 'deadline_ms') -- the submitter before wanted one
    write('ZREM', key('deadlines'), run)
  elseif args[i] == '' then
    write_fields(run_key, {'deadline_ms', due})
    write('ZADD', key('deadlines'), due, run)
  else
    local member = run .. '/' .. args[i]
    if read('HLEN', key('task', member)) > 0 then
      write_fields(key('task', member), {'deadline_ms', due})
      write('ZADD', key('deadlines'), due, member)
    end
  end
end
return settle({'OK'})
