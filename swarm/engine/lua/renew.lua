-- Extend a held task's lease to a full term from now, and note what the attempt has spent so far.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, lease ms, usage
-- Writes   leases, task, lock
-- Returns  {'OK', remaining ms}, {'STALE', current token}, {'CANCELLED'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: none
local member, token, lease_ms, spent = unpack(args)
local task, refusal = held_task(nil, member, token, {acked = true, running = true, merging = true})
if not task then
  return refusal
end
if task.state == 'merging' then
  return {'OK', lease_ms} -- handed in meanwhile: there is no lease to extend, and nothing is wrong
end
write('ZADD', key('leases'), number_text(now + tonumber(lease_ms)), member)
if spent ~= NOTHING_SPENT then
  write_fields(key('task', member), {'spent', spent})
end
if task.state == 'running' then
  show_locks(parse_locks(task.locks), member, token, lease_ms)
end
return settle({'OK', lease_ms})
