-- Splice tasks into a run in place of the one whose attempt asks for it: the attempt ends, the task waits for their
-- sinks as a join, and is done when these are. All of the tasks are new, their dependencies are among them, in the
-- order given.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, usage, how many tasks, the sinks (one a line), then for each task: id, spec JSON,
--          type, executor, urgency (the score without age), locks, max_attempts, how many dependencies,
--          dependents (`*`: a list), those of the list (both one a line), ms after the run's submission by when it
--          must have ended or '';
--          then, to take the next task in the same call, what `claim` takes
-- Writes   task, waiting, index, dependents, deadlines, leases, held, locks, reading, readers, wide, lock, lot, lots,
--          parked, queue, bell, meta, run, work, events; with a claim, what `claim` writes
-- Returns  {'OK' or 'MORE', newly queued ids...}, {'EXISTS', id}, {'STALE', current token}, {'CANCELLED'}
--          or {'UNKNOWN'};
--          with a claim, {that, what `claim` returns} once it is OK, or {that, {'FAILED'}} when only the claim erred
-- Moves: acked -> pending, running -> pending, none -> pending, pending -> queued
local member, token, op, spent, count, sinks = unpack(args, 1, 6)
local FIRST, WIDTH = 7, 11
local from = FIRST + count * WIDTH
local task, refusal = held_task(first_answer(op, args[from]), member, token, {acked = true, running = true})
if not task then
  return settle_and_claim(refusal, from)
end
local run, run_key, task_key = task.run, key('run', task.run), key('task', member)
for i = FIRST, from - 1, WIDTH do
  local name = key('task', run .. '/' .. args[i])
  if redis.call('EXISTS', name) > 0 then
    return {'EXISTS', args[i]}
  end
  probed[name] = true -- a new key cannot have a wrong type
end
local stored = read('HMGET', run_key, 'tasks', 'submitted_ms')
local submitted = tonumber(read('HGET', key('meta'), 'tasks') or 0)
local deadline = tonumber(read('HGET', task_key, 'deadline_ms') or 0)
local places, waits, ids, roots, types, is_known = {}, {task.id, number_text(#split_lines(sinks))}, {}, {}, {}, {}
local place, age = tonumber(stored[1]), tonumber(task.score) % 1000000
for _, type in ipairs(split_lines(read_meta()[2] or '')) do
  types[#types + 1], is_known[type] = type, true
end

for i = FIRST, from - 1, WIDTH do
  local id, spec, type, executor, urgency, locks, attempts, waiting, dependents, more, due = unpack(args, i, i + WIDTH - 1)
  local part = run .. '/' .. id
  local score = number_text(tonumber(urgency) + age)
  write_fields(key('task', part), {'state', 'pending', 'spec', spec, 'type', type, 'executor', executor, 'score', score,
    'locks', locks, 'max_attempts', attempts, 'dependents', dependents, 'part_of', task.id})
  ids[#ids + 1] = id
  places[#places + 1], places[#places + 2] = number_text(place + #ids - 1), id
  count_move(run, nil, 'pending')
  if waiting ~= '0' then
    waits[#waits + 1], waits[#waits + 2] = id, waiting
  else
    roots[#roots + 1] = id
    count_move(run, 'pending', 'queued')
    write_fields(key('task', part), {'state', 'queued', 'queued_ms', now_text})
    enqueue(part, type, executor, score)
  end
  if more ~= '' then
    write_many('RPUSH', key('dependents', part), split_lines(more))
  end
  due = due ~= '' and tonumber(stored[2]) + tonumber(due) or 0
  if deadline > 0 and (due == 0 or due > deadline) then
    due = deadline -- nothing of it may outlive it
  end
  if due > 0 then
    write_fields(key('task', part), {'deadline_ms', number_text(due)})
    write('ZADD', key('deadlines'), number_text(due), part)
  end
  if not is_known[type] then
    types[#types + 1], is_known[type] = type, true
    ring('*', '*')
  end
end

void_token(task)
settle_usage(task, spent, true)
count_move(run, task.state, 'pending')
write_fields(task_key, {'state', 'pending', 'join', sinks, 'parts', table.concat(ids, '\n')})
claims.write_took(task, '0')
claims.void(task, task.claimed_ms, '')
write_many('ZADD', key('index', run), places)
write_fields(key('waiting', run), waits)
write_fields(run_key, {'tasks', number_text(place + #ids)})
read_meta()[2] = table.concat(types, '\n') .. '\n'
write_fields(key('meta'), {'tasks', number_text(submitted + #ids), 'types', read_meta()[2]})
emit('tasks_added', run, '', {'state', 'pending', 'ids', table.concat(ids, '\n')})
emit('task_expanded', run, task.id, {'state', 'pending', 'worker', task.worker, 'attempt', task.attempt,
  'parts', table.concat(ids, '\n')})
event.tell_queued(run, roots)
return settle_and_claim({'OK', unpack(roots)}, from)
