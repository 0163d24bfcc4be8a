-- Remove a run that has ended from Redis: it is unknown at once, its tasks go as work. Git keeps what landed.
-- KEYS[1]  the project's key prefix
-- ARGV     run, op_id
-- Writes   run, runs, deadlines, paused, work, meta, events
-- Returns  {'MORE'}, {'LIVE', state}, {'BUSY'} (work that others left may be about it, or
--          it is a task's of it turn, which the next tick ends) or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: none
local run, op = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
local stored = read_run(run)
if not stored.state then
  return {'UNKNOWN'}
end
if stored.ended_ms == '0' or count_live(stored) ~= 0 then
  return {'LIVE', stored.state}
end
if read('LLEN', key('work')) > 0 or string.match(turn.whose() or '', '^[^/]*') == run then
  return {'BUSY'}
end
write('DEL', key('run', run))
write('DEL', key('paused', run))
write('ZREM', key('runs'), run)
write('ZREM', key('deadlines'), run)
leave_work('forget', run, '')
emit('run_removed', run, '', {})
return settle({'OK'})
