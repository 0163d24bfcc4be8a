-- Give out tasks of a run, of a type or of the whole project again.
-- KEYS[1]  the project's key prefix
-- ARGV     run or '', type or '*' when it is no run, op_id
-- Writes   run, meta, paused, queue, bell, work, events
-- Returns  {'OK', tasks that stood aside and are back in their queues} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: none
local run, type, op = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
if run == '' then
  orders.write('pause', type, nil)
  orders.wake_everybody()
  emit('type_resumed', '', '', {'type', type})
  return settle({'OK', '0'})
end
local stored = read_run(run)
if not stored.state then
  return {'UNKNOWN'}
end
if stored.paused == '' then
  return settle({'OK', '0'})
end
write_run(run, 'paused', 'ending')
emit('run_resumed', run, '', {'state', stored.state})
return settle({'OK', number_text(take_up_run(run))})
