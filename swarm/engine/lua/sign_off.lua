-- Forget a worker or merger that ended in good order.
-- KEYS[1]  the project's key prefix
-- ARGV     worker
-- Writes   agents, workers, agent, slot, meta, events
-- Returns  {'OK'}
-- Flags: allow-oom
-- Moves: none
local worker = args[1]
if read('HGET', key('agent', worker), 'kind') then
  write('ZREM', key('agents'), worker)
  write('ZREM', key('workers'), worker)
  write('DEL', key('agent', worker))
  write('HDEL', key('meta'), 'claim:' .. worker)
  emit('worker_left', '', '', {'worker', worker})
end
orders.free_slots(worker)
return settle({'OK'})
