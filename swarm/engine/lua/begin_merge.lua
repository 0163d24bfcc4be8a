-- Take a train: the best handed-in attempts of a run whose branch is not being merged by somebody else, the best first.
-- KEYS[1]  the project's key prefix
-- ARGV     merger, lease ms, op_id, how many at most, place in `merging` to look from, runs and members to
--          pass over
-- Writes   slot, task, meta, lock, events
-- Returns  {'OK', branch, lease ms, merge token of the slot, for each its member, spec, attempt, token, merge token,
--          commit, base}, {'EMPTY'}, or {'AGAIN', place} when every attempt looked at waits for a busy branch
-- Flags: allow-oom
-- Moves: none
-- The merge tokens rise along the train; the last of them is the slot's, and the branch's fence.
local merger, lease_ms, op, most, from = unpack(args, 1, 5)
local LOOKS = 300

local function tickets(branch, slot_token, members)
  local answer = {'OK', branch, lease_ms, slot_token}
  for _, member in ipairs(members) do
    local task = read('HMGET', key('task', member), 'spec', 'claim', 'merge_token', 'attempt_commit')
    local token, attempt, _, base = claims.parts(task[2])
    for _, word in ipairs({member, task[1], attempt, token, task[3], task[4] or '', base}) do
      answer[#answer + 1] = word
    end
  end
  return answer
end

local function is_taken(slot)
  return slot[1] and slot[1] ~= merger and tonumber(slot[2]) > now
end

local slots, train, slot, is_passed_over = {}, {}, nil, {}
for i = 6, #args do
  is_passed_over[args[i]] = true
end
local members = read('ZRANGE', key('merging'), from, from + LOOKS - 1)
for _, member in ipairs(members) do
  local run = string.match(member, '^[^/]*')
  if not slots[run] then
    local branch = read('HGET', key('run', run), 'branch') or run
    slots[run] = read('HMGET', key('slot', branch), 'merger', 'until_ms', 'op', 'task', 'merge_token')
    slots[run].branch = branch
    if slots[run][1] == merger and slots[run][3] == op then
      return tickets(branch, slots[run][5], split_lines(slots[run][4]))
    end
  end
  local task = not is_passed_over[run] and not is_passed_over[member] and (slot or slots[run]) == slots[run]
    and not is_taken(slots[run]) and read_task(member)
  if task and task.state == 'merging' then
    slot, train[#train + 1] = slots[run], task
    if #train == tonumber(most) then
      break
    end
  end
end
if #train == 0 then
  return #members == LOOKS and {'AGAIN', number_text(from + LOOKS)} or {'EMPTY'}
end

local taken, fence = {}, tonumber(read_meta()[1] or 0)
for _, task in ipairs(train) do
  taken[#taken + 1], fence = task.member, fence + 1
  local merge_token = number_text(fence)
  write_fields(key('task', task.member), {'merge_token', merge_token, 'merge_begun_ms', now_text})
  show_locks(parse_locks(task.locks), task.member, task.token, lease_ms)
  emit('merge_begun', task.run, task.id, {'state', 'merging', 'merger', merger, 'merge_token', merge_token,
    'attempt', task.attempt})
end
write_fields(key('meta'), {'fence', number_text(fence)})
write_fields(key('slot', slot.branch), {'merger', merger, 'until_ms', number_text(now + tonumber(lease_ms)),
  'op', op, 'task', table.concat(taken, '\n'), 'merge_token', number_text(fence)})
commit_writes()
return tickets(slot.branch, number_text(fence), taken)
