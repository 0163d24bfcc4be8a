-- Extend a merge slot to a full term from now.
-- KEYS[1]  the project's key prefix
-- ARGV     member, merge token, lease ms
-- Writes   slot, lock
-- Returns  {'OK', remaining ms}, {'STALE', current merge token}, {'CANCELLED'} or {'UNKNOWN'}
-- Flags: allow-oom
-- Moves: none
local member, merge_token, lease_ms = unpack(args)
local task, refusal = ticketed_task(nil, member, merge_token)
if not task then
  return refusal
end
local slot = key('slot', read_run(task.run).branch or '')
local current = read('HGET', slot, 'merge_token')
if current ~= merge_token then
  return {'STALE', current or '0'}
end
write_fields(slot, {'until_ms', number_text(now + tonumber(lease_ms))})
show_locks(parse_locks(task.locks), member, task.token, lease_ms)
return settle({'OK', lease_ms})
