-- What people have ordered for the whole project or for a type: one line an order, in a field of `meta` that every
-- claim reads anyway: `pause <type>` and `limit <type> <n>`, where `*` is the whole project. An order is about a lease:
-- what has been handed in counts no more. `held:` names who holds a lease of a limited type, and is there for no other.
local controls_text, controls_read

-- nil when nothing was ordered, which costs nothing.
local function read_controls()
  local text = read_meta()[3] or ''
  if text == '' then
    return nil
  end
  if controls_text ~= text then
    controls_text, controls_read = text, {paused = {}, limits = {}}
    for _, line in ipairs(split_lines(text)) do
      local order, type, number = string.match(line, '^(%S+) (%S+) ?(%d*)$')
      if order == 'pause' then
        controls_read.paused[type] = true
      else
        controls_read.limits[type] = tonumber(number)
      end
    end
  end
  return controls_read
end

-- Replace the order of this kind and type; '' takes it back.
local function write_order(order, type, number)
  local kept = {}
  for _, line in ipairs(split_lines(read_meta()[3] or '')) do
    local known, about = string.match(line, '^(%S+) (%S+)')
    if known ~= order or about ~= type then
      kept[#kept + 1] = line
    end
  end
  if number then
    kept[#kept + 1] = number == '' and order .. ' ' .. type or order .. ' ' .. type .. ' ' .. number
  end
  write_fields(key('meta'), {'controls', table.concat(kept, '\n')})
end

local function is_full(type, limit)
  return limit and (type == '*' and read('ZCARD', key('leases')) or read('SCARD', key('held', type))) >= limit
end

-- Part a request's types into those that may be looked at now and those that are paused or full.
local function narrow(request)
  local controls = read_controls()
  if not controls then
    return
  end
  local is_closed = controls.paused['*'] or is_full('*', controls.limits['*'])
  local open, closed = {}, {}
  for _, type in ipairs(request.types) do
    if is_closed or controls.paused[type] or is_full(type, controls.limits[type]) then
      closed[#closed + 1] = type
    else
      open[#open + 1] = type
    end
  end
  request.types, request.closed = open, closed
end

local function begin_lease(task, ends_ms)
  write('ZADD', key('leases'), ends_ms, task.member)
  local controls = read_controls()
  if controls and controls.limits[task.type] then
    write('SADD', key('held', task.type), task.member)
  end
end

-- One of those that wait for room is told that there is some.
local function tell_of_room(type)
  local head = read('ZRANGE', key('queue', type), 0, 0)[1]
  if head then
    ring(type, read('HGET', key('task', head), 'executor') or '')
  end
end

local function end_lease(task)
  write('ZREM', key('leases'), task.member)
  local controls = read_controls()
  if not controls then
    return
  end
  if controls.limits[task.type] then
    write('SREM', key('held', task.type), task.member)
    if is_full(task.type, controls.limits[task.type]) then
      tell_of_room(task.type)
    end
  end
  if is_full('*', controls.limits['*']) then
    for _, type in ipairs(split_lines(read_meta()[2] or '')) do
      tell_of_room(type)
    end
  end
end

local function wake_everybody()
  ring('*', '*', read('ZCARD', key('workers')))
end

-- A paused run's task stands aside, where no claim looks, until the run is taken up again.
local function set_aside(task)
  write('ZREM', key('queue', task.type), task.member)
  write('ZADD', key('paused', task.run), task.score, task.member)
  if task.baton ~= '' then
    write_fields(key('task', task.member), {'baton', ''})
  end
end
