-- Note by when a run that is being stored, and tasks of it, must have ended. Said again, it changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     run, then pairs: task id ('' for the run itself), ms since the run was submitted
-- Writes   deadlines, task, run
-- Returns  {'OK'} or {'UNKNOWN'}
-- Moves: none
local run = args[1]
local run_key = key('run', run)
local stored = read('HMGET', run_key, 'state', 'submitted_ms')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] ~= 'loading' then
  return {'OK'}
end
for i = 2, #args, 2 do
  local due = number_text(tonumber(stored[2]) + tonumber(args[i + 1]))
  if args[i] == '' then
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
