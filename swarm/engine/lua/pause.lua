-- Stop giving out tasks of a run, of a type or of the whole project; what is held goes on, and lands.
-- KEYS[1]  the project's key prefix
-- ARGV     run or '', type or '*' when it is no run, op_id
-- Writes   run, meta, events
-- Returns  {'OK'}, {'UNKNOWN'} or {'NO_TYPE'}: no task can have it
-- Flags: allow-oom
-- Moves: none
local run, type, op = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
if run == '' then
  if not orders.is_type(type) then
    return {'NO_TYPE'}
  end
  orders.write('pause', type, '')
  emit('type_paused', '', '', {'type', type})
  return settle({'OK'})
end
local stored = read_run(run)
if not stored.state then
  return {'UNKNOWN'}
end
if stored.paused ~= '1' then
  write_run(run, 'paused', '1')
  emit('run_paused', run, '', {'state', stored.state})
end
return settle({'OK'})
