-- Make a wholly stored run claimable: queue its roots, a budget's worth here and the rest as work.
-- KEYS[1]  the project's key prefix
-- ARGV     run, chunks that must be stored
-- Writes   run, work, task, queue, bell, events
-- Returns  {'OK', state} or {'UNKNOWN'} or {'INCOMPLETE', chunks stored}
-- Moves: pending -> queued
local run, chunks = args[1], args[2]
local stored = read('HMGET', key('run', run), 'state', 'chunks', 'activated')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] ~= 'loading' or stored[3] then
  return {'OK', stored[1]}
end
if stored[2] ~= chunks then
  return {'INCOMPLETE', stored[2]}
end
write_run(run, 'activated', '1')
activate_tasks(run, 0)
return settle({'OK', 'loading'})
