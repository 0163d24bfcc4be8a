-- Grow what a held task has locked to a larger set, if what that adds is free now; its token stays. If not, the task
-- goes back, uncharged, and waits for all of the larger set at once: nobody waits for a lock while holding another.
-- KEYS[1]  the project's key prefix
-- ARGV     member, token, op_id, usage, spec JSON with the larger scope, its locks, the paths asked for (one a line),
--          those that widen the write scope (a line each)
-- Writes   task, locks, reading, readers, wide, lock, leases, held, lot, lots, parked, queue, bell, work, run, meta,
--          events
-- Returns  {'OK' or 'MORE', 'held'}, {'OK' or 'MORE', 'queued', the path whose lock it waits for}, {'STALE', current
--          token},
--          {'CANCELLED'} or {'UNKNOWN'}
-- Moves: acked -> queued, running -> queued
local member, token, op, spent, spec, text, asked, widening = unpack(args)
local task, refusal = held_task(first_answer(op), member, token, {acked = true, running = true})
if not task then
  return refusal
end
local own, grown = parse_locks(task.locks), parse_locks(text)

local function names_of(list)
  local names = {}
  for i = 1, #list do
    names[list[i]] = true
  end
  return names
end

local own_x, own_s, own_w = names_of(own.x), names_of(own.s), names_of(own.w)

-- Whether somebody else holds this node; of shared ones we may be one reader among several.
local function is_others(part, node)
  if part == 'locks' then
    return not own_x[node]
  end
  return not own_s[node] or tonumber(read('HGET', key('readers'), node) or 0) > 1
end

local function held_at(part, nodes)
  local scores = #nodes > 0 and read('ZMSCORE', key(part), unpack(nodes)) or {}
  for i = 1, #nodes do
    if scores[i] and is_others(part, nodes[i]) then
      return nodes[i]
    end
  end
end

local function held_below(part, node)
  local from, page = 0
  repeat
    page = read('ZRANGEBYLEX', key(part), '[' .. node, subtree_end(node), 'LIMIT', from, 50)
    for i = 1, #page do
      if is_others(part, page[i]) then
        return page[i]
      end
    end
    from = from + 50
  until #page < 50
end

-- What `find_blocker` says of the larger set, but for what this task holds itself.
local function find_others()
  local node = held_at('locks', all_nodes(grown))
  if node then
    return 'X' .. node
  end
  node = held_at('reading', grown.x)
  if node then
    return 'S' .. node
  end
  local hold = blocked_above(grown, own_w)
  for i = 1, hold and 0 or #grown.w do
    local mode, below = string.sub(grown.w[i], 1, 1), string.sub(grown.w[i], 2)
    node = held_below('locks', below)
    if node then
      return 'X' .. node
    end
    node = mode == 'X' and held_below('reading', below)
    if node then
      return 'S' .. node
    end
  end
  return hold
end

local function beyond(list, names)
  local found = {}
  for i = 1, #list do
    if not names[list[i]] then
      found[#found + 1] = list[i]
    end
  end
  return found
end

-- What it shared before is shown already, maybe by another of its readers.
local function show_grown(gained)
  local displays = {}
  each_display(own, function(display, mode)
    if mode == 'X' then
      displays[#displays + 1] = display
    end
  end)
  if #displays > 0 then
    write_many('DEL', table.remove(displays), displays)
  end
  local left = tonumber(read('ZSCORE', key('leases'), member) or 0) - now
  if left > 0 and task.state == 'running' then
    show_locks({x = grown.x, s = gained.s, w = grown.w}, member, token, number_text(left))
  end
end

local gained = {x = beyond(grown.x, own_x), s = beyond(grown.s, own_s), w = beyond(grown.w, own_w)}
local hold = find_others() or turn.blocker(gained, member)
write_fields(key('task', member), {'spec', spec, 'locks', text,
  'widened', (read('HGET', key('task', member), 'widened') or '') .. widening})
if hold then
  local path = string.gsub(string.sub(hold, 2), '/$', '')
  path = path == '' and '/' or path
  void_token(task)
  settle_usage(task, spent, false)
  queue_again(task, 0)
  ring(task.type, task.executor, -1)
  emit('task_released', task.run, task.id, {'state', 'queued', 'worker', task.worker, 'attempt', task.attempt,
    'reason', 'it needs more than it had locked, and ' .. path .. ' is locked', 'asked', asked, 'widened', widening})
  task.parked_ms = '0'
  park(task, hold)
  return settle({'OK', 'queued', path})
end
acquire_locks(gained)
release_locks({x = beyond(own.x, names_of(grown.x)), s = beyond(own.s, names_of(grown.s)),
  w = beyond(own.w, names_of(grown.w))}, false)
if task.state == 'running' then
  show_grown(gained)
end
emit('task_extended', task.run, task.id, {'state', task.state, 'worker', task.worker, 'attempt', task.attempt, 'asked', asked,
  'widened', widening})
return settle({'OK', 'held'})
