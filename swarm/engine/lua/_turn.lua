-- Bounded overtaking. A task that was woken and found its scope taken again so many times gets its turn: whatever
-- excludes its scope is given to nobody else until it has run, and it comes first in its queue. There is one turn at a
-- time, and nobody holds a lock while it waits for another, so nothing can wait in a circle. Whose turn it is stands in
-- a field of `meta` that every claim reads anyway: when the task was last seen to wait for a holder, and its member.
do
local OVERTAKINGS, PATIENCE_MS = 5, 60000

function turn.read()
  local since, member = string.match(read_meta()[5] or '', '^(%d+) (.*)$')
  return member, tonumber(since)
end

function turn.whose()
  return (turn.read())
end

local function write_turn(text)
  read_meta()[5] = text
  write_fields(key('meta'), {'turn', text})
end

local function each_prefix(node, visit)
  local slash = 0
  while slash do
    local found = visit(string.sub(node, 1, slash))
    if found then
      return found
    end
    slash = slash < #node and string.find(node, '/', slash + 1, true) or nil
  end
end

local function note_below(mode, nodes)
  for i = 1, #nodes do
    local node = nodes[i]
    turn.modes[node] = mode
    each_prefix(node, function(at)
      turn.below[at] = turn.below[at] or mode .. node
      if mode == 'X' then
        turn.written_below[at] = turn.written_below[at] or 'X' .. node
      end
    end)
  end
end

-- The locks of the task whose turn it is: the modes of its nodes, which are wide, and for each folder a lock in it.
local function reserved()
  if turn.seen ~= meta_read then
    local set = parse_locks(read('HGET', key('task', turn.whose()), 'locks'))
    turn.seen, turn.modes, turn.is_wide, turn.below, turn.written_below = meta_read, {}, {}, {}, {}
    note_below('X', set.x)
    note_below('S', set.s)
    for i = 1, #set.w do
      turn.is_wide[string.sub(set.w[i], 2)] = true
    end
  end
  return turn.modes, turn.is_wide
end

function turn.is_about(hold)
  return turn.whose() and reserved()[string.sub(hold, 2)] == string.sub(hold, 1, 1)
end

-- The reserved lock that excludes this one at its node or above it.
local function excluded_by(mode, node)
  local modes, is_wide = reserved()
  return each_prefix(node, function(at)
    return modes[at] and (at == node or is_wide[at]) and (mode == 'X' or modes[at] == 'X') and modes[at] .. at
  end)
end

-- The reserved lock that keeps a set from being granted to somebody whose turn it is not, or nil.
function turn.blocker(set, member)
  local whose = turn.whose()
  if not whose or whose == member then
    return nil
  end
  reserved()
  for mode, nodes in pairs({X = set.x, S = set.s}) do
    for i = 1, #nodes do
      local hold = excluded_by(mode, nodes[i])
      if hold then
        return hold
      end
    end
  end
  for i = 1, #set.w do
    local mode, node = string.sub(set.w[i], 1, 1), string.sub(set.w[i], 2)
    local hold = mode == 'X' and turn.below[node] or turn.written_below[node]
    if hold then
      return hold
    end
  end
end

-- A woken task has found its scope taken again: somebody was faster.
function turn.count(task)
  local times = tonumber(task.overtaken) + 1
  write_fields(key('task', task.member), {'overtaken', number_text(times)})
  if times >= OVERTAKINGS and not turn.whose() then
    write_turn(now_text .. ' ' .. task.member)
    emit('turn_given', task.run, task.id, {'state', 'queued', 'overtaken', number_text(times)})
  end
end

-- It is granted.
function turn.take(task)
  if task.overtaken ~= '0' then
    write_fields(key('task', task.member), {'overtaken', '0'})
  end
  if turn.whose() == task.member then
    write_turn('')
  end
end

-- Every tick: a turn ends when its task is not queued any more, or when it could run and nobody has taken it for a
-- minute. Whoever waits for it is woken. Returns whether it has ended.
function turn.look()
  local member, since = turn.read()
  if not member then
    return false
  end
  local task = read('HMGET', key('task', member), 'state', 'lot', 'locks')
  if task[1] == 'queued' and (task[2] or '') ~= '' then
    write_turn(now_text .. ' ' .. member)
    return false
  elseif task[1] == 'queued' and now - since <= PATIENCE_MS then
    return false
  end
  local modes = reserved()
  write_turn('')
  if task[1] then
    write_fields(key('task', member), {'overtaken', '0'})
  end
  for node, mode in pairs(modes) do
    local after = wake_lots(mode .. node, '')
    if after then
      leave_work('wake', mode .. node, after)
    end
  end
  return true
end
end
