-- Extend a merge slot to a full term from now, and say which of its train may not land any more.
-- KEYS[1]  the project's key prefix
-- ARGV     run, merge token of the slot, lease ms, for each of the train its member and merge token
-- Writes   slot, lock
-- Returns  {'OK', remaining ms, members that were cancelled or taken away...}, {'STALE', current merge token}
-- Flags: allow-oom
-- Moves: none
local run, slot_token, lease_ms = unpack(args, 1, 3)
local slot = key('slot', read_run(run).branch or '')
local current = read('HGET', slot, 'merge_token')
if current ~= slot_token then
  return {'STALE', current or '0'}
end
local answer = {'OK', lease_ms}
for i = 4, #args, 2 do
  local task = ticketed_task(nil, args[i], args[i + 1])
  if task then
    show_locks(parse_locks(task.locks), task.member, task.token, lease_ms)
  else
    answer[#answer + 1] = args[i]
  end
end
write_fields(slot, {'until_ms', number_text(now + tonumber(lease_ms))})
return settle(answer)
