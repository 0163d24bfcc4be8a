-- Bound how many tasks of a type, or of the whole project, workers hold at once; those that hold more go on.
-- KEYS[1]  the project's key prefix
-- ARGV     type or `*`, how many ('' for no bound), op_id
-- Writes   meta, held, bell, events
-- Returns  {'OK', how many are held now} or {'NO_TYPE'}: no task can have it; a bound of it that is there can be lifted
-- Flags: allow-oom
-- Moves: none
local type, number, op = unpack(args)
local repeated = first_answer(op)
if repeated then
  return repeated
end
if number ~= '' and not orders.is_type(type) then
  return {'NO_TYPE'}
end
local holders = {}
for _, member in ipairs(read('ZRANGE', key('leases'), 0, -1)) do
  if type == '*' or ability.base_type(read('HGET', key('task', member), 'type') or '') == type then
    holders[#holders + 1] = member
  end
end
orders.write('limit', type, number ~= '' and number or nil)
if type ~= '*' then
  local held = key('held', type)
  read('SCARD', held)
  write('DEL', held)
  for first = 1, #holders, 1000 do
    write_many('SADD', held, {unpack(holders, first, math.min(first + 999, #holders))})
  end
  if number == '' then
    write('DEL', held)
  end
end
orders.wake_everybody()
emit('type_limited', '', '', {'type', type, 'limit', number})
return settle({'OK', number_text(#holders)})
