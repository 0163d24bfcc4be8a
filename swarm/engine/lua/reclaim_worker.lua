-- Take back at once what a worker that is known to be dead holds, and free its merge slots.
-- KEYS[1]  the project's key prefix
-- ARGV     worker, op_id, place in `leases` to look from, lease ms
-- Writes   leases, held, task, slot, locks, reading, readers, wide, lock, lot, lots, parked, queue, bell, dead, work,
--          run, active, meta, events
-- Returns  {'OK' or 'MORE', place to look on from or '', then for each task: member, worker, state}
-- Flags: allow-oom
-- Moves: acked -> queued, running -> queued, acked -> failed, running -> failed, pending -> upstream_failed
local worker, op, from, lease_ms = args[1], args[2], tonumber(args[3]), args[4]
local LOOKS = 300
local repeated = first_answer(op)
if repeated then
  return repeated
end
local members = read('ZRANGE', key('leases'), from, from + LOOKS - 1)
local answer, reclaimed = {'OK', ' '}, 0
for _, member in ipairs(members) do
  local _, _, _, _, holder = claims.parts(read('HGET', key('task', member), 'claim'))
  if holder == worker and reclaimed < 40 then
    local task = read_task(member)
    answer[#answer + 1] = member
    answer[#answer + 1] = worker
    answer[#answer + 1] = reclaim_task(task, 'worker ' .. worker .. ' ended without a word', lease_ms)
    reclaimed = reclaimed + 1
  end
end
if #members == LOOKS or reclaimed == 40 then
  answer[2] = number_text(reclaimed == 40 and 0 or from + LOOKS - reclaimed)
end
if from == 0 then
  orders.free_slots(worker)
end
return settle(answer)
