-- The task that a call is about, if its caller still holds it by this token: else nil and the answer to give, which is
-- the first answer when the call is a repetition. `field` is where the token stands, when it is not the task's own.
local function held_task(repeated, member, token, may_be, field)
  if repeated then
    return nil, repeated
  end
  local task = read_task(member)
  if not task then
    return nil, {'UNKNOWN'}
  end
  if not may_be[task.state] then
    return nil, stale(task)
  end
  local current = task[field or 'token']
  if current ~= token then
    return nil, {'STALE', current}
  end
  return task
end

-- The same for a merge ticket, whose token is another one.
local function ticketed_task(repeated, member, merge_token)
  return held_task(repeated, member, merge_token, {merging = true}, 'merge_token')
end
