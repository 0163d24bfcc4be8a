-- Take the best handed-in attempt whose branch is not being merged by somebody else.
-- KEYS[1]  the project's key prefix
-- ARGV     merger, lease ms, op_id, place in `merging` to look from
-- Writes   slot, task, meta, lock, events
-- Returns  {'OK', member, spec, attempt, token, merge token, commit, base, branch, lease ms}, {'EMPTY'},
--          or {'AGAIN', place} when every attempt looked at waits for a busy branch
-- Flags: allow-oom
-- Moves: none
local merger, lease_ms, op, from = unpack(args)
local LOOKS = 300

local function ticket(member, merge_token, branch)
  local task = read('HMGET', key('task', member), 'spec', 'attempt', 'token', 'attempt_commit', 'base')
  return {'OK', member, task[1], task[2], task[3], merge_token, task[4] or '', task[5], branch, lease_ms}
end

local function is_taken(slot)
  return slot[1] and slot[1] ~= merger and tonumber(slot[2]) > now
end

local slots = {}
local members = read('ZRANGE', key('merging'), from, from + LOOKS - 1)
for _, member in ipairs(members) do
  local run = string.match(member, '^[^/]*')
  local slot = slots[run]
  if not slot then
    local branch = read('HGET', key('run', run), 'branch') or run
    slot = read('HMGET', key('slot', branch), 'merger', 'until_ms', 'op', 'task', 'merge_token')
    slot.branch = branch
    slots[run] = slot
    if slot[1] == merger and slot[3] == op then
      return ticket(slot[4], slot[5], branch)
    end
  end
  local task = not is_taken(slot) and read_task(member)
  if task and task.state == 'merging' then
    local merge_token = next_token()
    local entries = parse_locks(task.locks)
    write_fields(key('slot', slot.branch), {'merger', merger, 'until_ms', number_text(now + tonumber(lease_ms)),
      'op', op, 'task', member, 'merge_token', merge_token})
    write_fields(key('task', member), {'merge_token', merge_token, 'merge_begun_ms', now_text})
    show_locks(entries, member, task.token, lease_ms)
    emit('merge_begun', task.run, task.id, {'state', 'merging', 'merger', merger, 'merge_token', merge_token,
      'attempt', task.attempt})
    commit_writes()
    return ticket(member, merge_token, slot.branch)
  end
end
if #members == LOOKS then
  return {'AGAIN', number_text(from + LOOKS)}
end
return {'EMPTY'}
