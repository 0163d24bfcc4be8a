-- Make a run that is being stored stop at its first failure. Said again, it changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     run
-- Writes   run
-- Returns  {'OK'} or {'UNKNOWN'}
-- Moves: none
local run_key = key('run', args[1])
local state = read('HGET', run_key, 'state')
if not state then
  return {'UNKNOWN'}
end
if state == 'loading' then
  write_fields(run_key, {'fail_fast', '1'})
end
return settle({'OK'})
