-- Store one chunk of a run's tasks. A chunk that is stored already changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     run, number of the chunk, place of its first task in the plan, then for each entry: id, spec JSON
--          (empty: more dependencies of a task that an earlier entry stored), type, executor, urgency (the
--          score without age), locks, max_attempts, dependencies (one a line)
-- Writes   run, meta, index, types, task, waiting, dependents, bell, events
-- Returns  {'OK', chunks stored so far, run state} or {'UNKNOWN'}
-- Moves: none -> pending
local run, chunk = args[1], args[2]
local run_key, meta = key('run', run), key('meta')
local stored = read('HMGET', run_key, 'state', 'chunks', 'age')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] ~= 'loading' or stored[2] ~= chunk then
  return {'OK', stored[2], stored[1]}
end
local age = tonumber(stored[3] or read('HGET', meta, 'tasks') or 0)
local place, ids, types = tonumber(args[3]), {}, {}

local function store_task(id, member, spec, type, executor, urgency, locks, max_attempts)
  local score = number_text(tonumber(urgency) + (age + place) % 1000000)
  write('HSET', key('task', member), 'state', 'pending', 'spec', spec, 'type', type, 'executor', executor,
    'score', score, 'locks', locks, 'max_attempts', max_attempts, 'attempt', '0', 'failures', '0', 'setbacks', '0',
    'crashes', '0', 'token', '0', 'parked_ms', '0', 'lock_wait_ms', '0')
  write('ZADD', key('index', run), place, id)
  if not types[type] and read('SISMEMBER', key('types'), type) == 0 then
    types[type] = true
    write('SADD', key('types'), type)
    ring('*', '*')
  end
  count_move(run, nil, 'pending')
  ids[#ids + 1] = id
  place = place + 1
end

for i = 4, #args, 8 do
  local id, spec, type, executor, urgency, locks, max_attempts, dependencies = unpack(args, i, i + 7)
  local member, needs = run .. '/' .. id, {}
  if spec ~= '' then
    store_task(id, member, spec, type, executor, urgency, locks, max_attempts)
  end
  for dependency in string.gmatch(dependencies, '[^\n]+') do
    needs[#needs + 1] = dependency
    write('RPUSH', key('dependents', run .. '/' .. dependency), id)
  end
  if #needs > 0 then
    write('SADD', key('waiting', member), unpack(needs))
  end
end
local chunks = number_text(tonumber(chunk) + 1)
write('HSET', run_key, 'chunks', chunks, 'tasks', number_text(place), 'age', number_text(age))
write('HSET', meta, 'tasks', number_text(age + place))
if #ids > 0 then
  emit('tasks_added', run, '', 'state', 'pending', 'ids', table.concat(ids, '\n'))
end
return settle({'OK', chunks, 'loading'})
