-- Store one chunk of a run's tasks. A chunk that is stored already changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     run, place of the chunk's first task, then for each task: id, spec JSON, type, executor,
--          urgency (the score without age), locks, max_attempts, dependencies (one a line)
-- Writes   run, meta, index, types, task, waiting, dependents, bell, events
-- Returns  {'OK', tasks stored so far, run state} or {'UNKNOWN'}
-- Moves: none -> pending
local run, from = args[1], args[2]
local run_key = key('run', run)
local stored = read('HMGET', run_key, 'state', 'stored', 'age')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] ~= 'loading' or stored[2] ~= from then
  return {'OK', stored[2], stored[1]}
end
local meta = key('meta')
local age = tonumber(stored[3] or read('HGET', meta, 'tasks') or 0)
local place, ids, types = tonumber(from), {}, {}
for i = 3, #args, 8 do
  local id, spec, type, executor, urgency, locks, max_attempts, dependencies = unpack(args, i, i + 7)
  local member = run .. '/' .. id
  local score = number_text(tonumber(urgency) + (age + place) % 1000000)
  write('HSET', key('task', member), 'state', 'pending', 'spec', spec, 'type', type, 'executor', executor,
    'score', score, 'locks', locks, 'max_attempts', max_attempts, 'attempt', '0', 'failures', '0', 'crashes', '0',
    'token', '0', 'parked_ms', '0', 'lock_wait_ms', '0')
  write('ZADD', key('index', run), place, id)
  for dependency in string.gmatch(dependencies, '[^\n]+') do
    write('SADD', key('waiting', member), dependency)
    write('RPUSH', key('dependents', run .. '/' .. dependency), id)
  end
  if not types[type] and read('SISMEMBER', key('types'), type) == 0 then
    types[type] = true
    write('SADD', key('types'), type)
    ring('*', '*')
  end
  count_move(run, nil, 'pending')
  ids[#ids + 1] = id
  place = place + 1
end
write('HSET', run_key, 'stored', number_text(place), 'tasks', number_text(place), 'age', number_text(age))
write('HSET', meta, 'tasks', number_text(age + place))
emit('tasks_added', run, '', 'state', 'pending', 'ids', table.concat(ids, '\n'))
return settle({'OK', number_text(place), 'loading'})
