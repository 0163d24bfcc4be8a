-- Store one chunk of a run's tasks. A chunk that is stored already changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     run, number of the chunk, place of its first task in the plan, then for each entry, the plan's last
--          first: id, spec JSON (empty: more dependents of a task that an earlier entry stored), type, executor,
--          score, locks, max_attempts, how many dependencies, dependents (`*`: a list) and those of the list that
--          this entry brings; both one a line
-- Writes   run, meta, index, task, waiting, dependents, bell, events
-- Returns  {'OK', chunks stored so far, run state} or {'UNKNOWN'}
-- Moves: none -> pending
local run, chunk = args[1], args[2]
local run_key, meta = key('run', run), key('meta')
local stored = read('HMGET', run_key, 'state', 'chunks', 'tasks')
if not stored[1] then
  return {'UNKNOWN'}
end
if stored[1] ~= 'loading' or stored[2] ~= chunk then
  return {'OK', stored[2], stored[1]}
end
local all_types = read('HGET', meta, 'types') or ''
local place, ids, places, waits, is_known = args[3], {}, {}, {}, {}
for _, type in ipairs(split_lines(all_types)) do
  is_known[type] = true
end

-- Each task is a new key, so no key of this chunk can have a wrong type but those that are proven below.
local entries, names = {}, {}
for i = 4, #args, 10 do
  local id, spec, type, waiting, more = args[i], args[i + 1], args[i + 2], args[i + 7], args[i + 9]
  if spec ~= '' then
    entries[#entries + 1], names[#names + 1] = i, key('task', run .. '/' .. id)
    ids[#ids + 1] = id
    places[#places + 1] = place
    places[#places + 1] = id
    place = one_less(place)
    if waiting ~= '0' then
      waits[#waits + 1] = id
      waits[#waits + 1] = waiting
    end
    if not is_known[type] then
      is_known[type] = true
      all_types = all_types .. type .. '\n'
      ring('*', '*')
    end
  end
  if more ~= '' then
    write_many('RPUSH', key('dependents', run .. '/' .. id), split_lines(more))
  end
end
if #names > 0 and redis.call('EXISTS', unpack(names)) > 0 then
  error('a task of run ' .. run .. ' is stored already, but its chunk is not')
end
if #waits > 0 then
  write_fields(key('waiting', run), waits)
end
if #places > 0 then
  write_many('ZADD', key('index', run), places)
end
local chunks = one_more(chunk)
write_fields(run_key, {'chunks', chunks, 'tasks', number_text((stored[3] or 0) + #ids)})
write_fields(meta, {'types', all_types})
if #ids > 0 then
  tallies[run] = {pending = #ids}
  for i = 1, math.floor(#ids / 2) do
    local other = #ids + 1 - i
    ids[i], ids[other] = ids[other], ids[i]
  end
  emit('tasks_added', run, '', {'state', 'pending', 'ids', table.concat(ids, '\n')})
end
settle_all()
probe_writes()
local NO_MORE = {}
for n, i in ipairs(entries) do
  local locks, dependents, more = args[i + 5], args[i + 8], NO_MORE
  if locks ~= '' then
    more = {'locks', locks, 'dependents', dependents}
  elseif dependents ~= '' then
    more = {'dependents', dependents}
  end
  redis.call('HSET', names[n], 'state', 'pending', 'spec', args[i + 1], 'type', args[i + 2], 'executor', args[i + 3],
    'score', args[i + 4], 'max_attempts', args[i + 6], unpack(more))
end
execute_writes()
return {'OK', chunks, 'loading'}
