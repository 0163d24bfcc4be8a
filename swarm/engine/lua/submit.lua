-- Store one chunk of a run's tasks. A chunk that is stored already changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     run, number of the chunk, place of its first task in the plan, then for each entry: id, spec JSON
--          (empty: more dependents of a task that an earlier entry stored), type, executor, urgency (the
--          score without age), locks, max_attempts, how many dependencies, dependents (`*`: a list) and
--          those of the list that this entry brings; both one a line
-- Writes   run, meta, index, task, waiting, dependents, bell, events
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
local known = read('HMGET', meta, 'tasks', 'types')
local age, all_types = tonumber(stored[3] or known[1] or 0), known[2] or ''
local place, ids, places, waits, is_known = tonumber(args[3]), {}, {}, {}, {}
for _, type in ipairs(split_lines(all_types)) do
  is_known[type] = true
end

local function store_task(id, spec, type, executor, urgency, locks, max_attempts, waiting, dependents)
  local score = number_text(tonumber(urgency) + (age + place) % 1000000)
  write_fields(key('task', run .. '/' .. id), {'state', 'pending', 'spec', spec, 'type', type, 'executor', executor,
    'score', score, 'locks', locks, 'max_attempts', max_attempts, 'dependents', dependents})
  if waiting ~= '0' then
    waits[#waits + 1] = id
    waits[#waits + 1] = waiting
  end
  if not is_known[type] then
    is_known[type] = true
    all_types = all_types .. type .. '\n'
    ring('*', '*')
  end
  ids[#ids + 1] = id
  places[#places + 1] = number_text(place)
  places[#places + 1] = id
  place = place + 1
end

-- New keys cannot have a wrong type: one look at all of them spares a proof of each.
local members = {}
for i = 4, #args, 10 do
  members[#members + 1] = key('task', run .. '/' .. args[i])
end
if #members > 0 and redis.call('EXISTS', unpack(members)) == 0 then
  for _, name in ipairs(members) do
    probed[name] = true
  end
end
for i = 4, #args, 10 do
  local id, spec, more = args[i], args[i + 1], args[i + 9]
  if spec ~= '' then
    store_task(id, spec, unpack(args, i + 2, i + 8))
  end
  if more ~= '' then
    write_many('RPUSH', key('dependents', run .. '/' .. id), split_lines(more))
  end
end
if #waits > 0 then
  write_fields(key('waiting', run), waits)
end
if #places > 0 then
  write_many('ZADD', key('index', run), places)
end
local chunks = number_text(tonumber(chunk) + 1)
write_fields(run_key, {'chunks', chunks, 'tasks', number_text(place), 'age', number_text(age)})
write_fields(meta, {'tasks', number_text(age + place), 'types', all_types})
if #ids > 0 then
  tallies[run] = {pending = #ids}
  emit('tasks_added', run, '', {'state', 'pending', 'ids', table.concat(ids, '\n')})
end
return settle({'OK', chunks, 'loading'})
