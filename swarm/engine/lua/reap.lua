-- One tick of the reaper: take back what outlived its lease. A gap in ticks means that the server was away
-- and nobody could renew: every lease, but no deadline, gets one term of grace. After two in a row it reaps anyway.
-- Backoffs that have come due are queued, what is over its deadline fails, and a turn that nobody takes ends;
-- a queue that no worker alive serves is noted.
-- KEYS[1]  the project's key prefix
-- ARGV     op_id, lease ms, ms: a tick of anybody within them is enough, and nothing is done
-- Writes   tick, meta, unserved, deadlines, leases, held, task, locks, reading, readers, wide, lock, lot, lots,
--          parked, queue, delayed, bell, dead, work, run, active, events
-- Returns  {'OK' or 'MORE', then for each task: member, worker, state}, {'GRACE', until ms} or {'RECENT'}
-- Flags: allow-oom
-- Moves: acked -> queued, running -> queued, acked -> failed, running -> failed, pending -> failed, queued -> failed,
--        merging -> failed, pending -> upstream_failed
local op, lease_ms, within_ms = unpack(args)
local GAP_MS, BATCH = 5000, 40
local repeated = first_answer(op)
if repeated then
  return repeated
end
local tick = key('tick')
local last = read('HMGET', tick, 'last_ms', 'grace_until_ms', 'graces', 'looked_ms')
local grace_until, graces = tonumber(last[2] or 0), tonumber(last[3] or 0)
local since_ms = now - tonumber(last[1] or now)
-- The server's clock may have gone back.
if last[1] and since_ms >= 0 and since_ms < tonumber(within_ms) then
  return {'RECENT'}
end
local is_gap = since_ms > GAP_MS and read('ZCARD', key('leases')) > 0
if is_gap and graces < 2 then
  graces, grace_until = graces + 1, now + tonumber(lease_ms)
  emit('reaper_grace', '', '', {'until_ms', number_text(grace_until)})
elseif is_gap then
  grace_until = 0
  emit('reaper_slow', '', '', {'gap_ms', number_text(since_ms)})
elseif now >= grace_until then
  graces = 0
end
write_fields(tick, {'last_ms', now_text, 'grace_until_ms', number_text(grace_until), 'graces', number_text(graces)})
if turn.look() then
  return settle({'MORE'})
end
prune_answers(tick)
write_fields(tick, {'looked_ms', look_for_unserved(last[4])})
local overdue = expire_due()
if overdue then
  return settle(overdue) -- what they change, the rest would read as it was
end
queue_due()
if now < grace_until then
  return settle({'GRACE', number_text(grace_until)})
end
local expired = read('ZRANGEBYSCORE', key('leases'), '-inf', now_text, 'LIMIT', 0, BATCH)
local answer = {#expired == BATCH and 'MORE' or 'OK'}
for _, member in ipairs(expired) do
  local task = read_task(member)
  if task and (task.state == 'acked' or task.state == 'running') then
    answer[#answer + 1] = member
    answer[#answer + 1] = task.worker
    answer[#answer + 1] = reclaim_task(task, 'its lease ended: no renewal from worker ' .. task.worker, lease_ms)
  else
    write('ZREM', key('leases'), member)
  end
end
return settle(answer)
