-- Make a run that is being stored stop at its first failure, or not, whatever a submitter before wanted.
-- KEYS[1]  the project's key prefix
-- ARGV     run, whether it stops: `1` or empty
-- Writes   run
-- Returns  {'OK'} or {'UNKNOWN'}
-- Moves: none
local run_key = key('run', args[1])
local stored = read('HMGET', run_key, 'state', 'activated')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] == 'loading' and not stored[2] then
  write_fields(run_key, {'fail_fast', args[2]})
end
return settle({'OK'})
