-- What people have ordered for the whole project or for a type: one line an order, in a field of `meta` that every
-- claim reads anyway: `pause <type>` and `limit <type> <n>`, where `*` is the whole project. An order is about a lease:
-- what has been handed in counts no more. `held:` names who holds a lease of a limited type, and is there for no other.
local orders = {}

-- The parts of a line; nil of what is no order. Older versions let types with spaces pass, which no task has.
function orders.parse(line)
  local type, number = string.match(line, '^limit (.*) (%d+)$')
  if type then
    return 'limit', type, number
  end
  type = string.match(line, '^pause (.*)$')
  return type and 'pause', type
end

-- Whether a task can have this type, or `*` stands for all.
function orders.is_type(type)
  return type == '*' or #type <= 100 and string.find(type, '^%w[%w._-]*$') ~= nil
end

-- nil when nothing was ordered, which costs nothing.
function orders.read()
  local text = read_meta()[4] or ''
  if text == '' then
    return nil
  end
  if orders.text ~= text then
    orders.text, orders.parsed = text, {paused = {}, limits = {}}
    for _, line in ipairs(split_lines(text)) do
      local order, type, number = orders.parse(line)
      if order == 'pause' then
        orders.parsed.paused[type] = true
      elseif order then
        orders.parsed.limits[type] = tonumber(number)
      end
    end
  end
  return orders.parsed
end

-- Replace the order of this kind and type; '' takes it back.
function orders.write(order, type, number)
  local kept = {}
  for _, line in ipairs(split_lines(read_meta()[4] or '')) do
    local known, about = orders.parse(line)
    if known and (known ~= order or about ~= type) then
      kept[#kept + 1] = line
    end
  end
  if number then
    kept[#kept + 1] = number == '' and order .. ' ' .. type or order .. ' ' .. type .. ' ' .. number
  end
  write_fields(key('meta'), {'controls', table.concat(kept, '\n')})
end

function orders.is_full(type, limit)
  return limit and (type == '*' and read('ZCARD', key('leases')) or read('SCARD', key('held', type))) >= limit
end

-- Part a request's types into those that may be looked at now and those that are paused or full.
function orders.narrow(request)
  local controls = orders.read()
  if not controls then
    return
  end
  local is_closed = controls.paused['*'] or orders.is_full('*', controls.limits['*'])
  local open, closed = {}, {}
  for _, type in ipairs(request.types) do
    local base = ability.base_type(type)
    if is_closed or controls.paused[base] or orders.is_full(base, controls.limits[base]) then
      closed[#closed + 1] = type
    else
      open[#open + 1] = type
    end
  end
  request.types, request.closed = open, closed
end

function orders.begin_lease(task, ends_ms)
  write('ZADD', key('leases'), ends_ms, task.member)
  local controls = orders.read()
  local base = ability.base_type(task.type)
  if controls and controls.limits[base] then
    write('SADD', key('held', base), task.member)
  end
end

-- Of each queue that waited for room, whoever can do its first task is told that there is some.
function orders.tell_of_room(base)
  for _, queue in ipairs(split_lines(read_meta()[2] or '')) do
    local head = (base == '*' or ability.base_type(queue) == base) and read('ZRANGE', key('queue', queue), 0, 0)[1]
    if head then
      ring(queue, read('HGET', key('task', head), 'executor') or '')
    end
  end
end

function orders.end_lease(task)
  write('ZREM', key('leases'), task.member)
  local controls = orders.read()
  if not controls then
    return
  end
  local base = ability.base_type(task.type)
  if controls.limits[base] then
    write('SREM', key('held', base), task.member)
    if orders.is_full(base, controls.limits[base]) then
      orders.tell_of_room(base)
    end
  end
  if orders.is_full('*', controls.limits['*']) then
    orders.tell_of_room('*')
  end
end

function orders.wake_everybody()
  ring('*', '*', read('ZCARD', key('workers')))
end

-- A paused run's task stands aside, where no claim looks, until the run is taken up again.
function orders.set_aside(task)
  write('ZREM', key('queue', task.type), task.member)
  write('ZADD', key('paused', task.run), proven_score(task.member, task.score), task.member)
  if task.baton ~= '' then
    write_fields(key('task', task.member), {'baton', ''})
  end
end
