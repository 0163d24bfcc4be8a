-- Attempts begin from now on where somebody else has moved the run's branch to: git proves that it holds what landed.
-- KEYS[1]  the project's key prefix
-- ARGV     run, the tip that was stored, the branch's tip
-- Writes   run, events
-- Returns  {'OK'} or {'MOVED'}: by now another tip is stored
-- Flags: allow-oom
-- Moves: none
local run, known, tip = unpack(args)
local stored = read_run(run).tip
if stored == known and known ~= tip then
  write_run(run, 'tip', tip)
  emit('branch_moved', run, '', {'tip', tip, 'from', known})
elseif stored ~= tip then
  return {'MOVED'}
end
return settle({'OK'})
