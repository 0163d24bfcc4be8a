-- Hierarchical locks. A node is a path ending in '/', '' for the root. `locks` holds exclusive nodes and `reading`
-- shared ones, all with score 0 so that BYLEX finds a subtree; `readers` counts who shares a node, `wide` who covers
-- the subtree under it. Ancestors are looked at only while something wide is held; a wide request looks at its
-- subtree by LEX. A task's lock set is compiled at submit, as JSON: exclusive nodes `x`, shared ones `s`,
-- and wide holds `w` (X or S and the node): a node alone, unless it is among these.
-- `returned` holds the sets that holders give back in this commit, `acquired` those that it takes, and `freed` the
-- exclusive and the shared nodes that are nobody's after it.
local freed, acquired, returned

local NO_LOCKS = {x = {}, s = {}, w = {}}

local function parse_locks(text)
  if not text or text == '' then
    return NO_LOCKS
  end
  return cjson.decode(text)
end

local function is_empty(set)
  return #set.x == 0 and #set.s == 0
end

local function is_among(nodes, node)
  for i = 1, #nodes do
    if nodes[i] == node then
      return true
    end
  end
  return false
end

local function subtree_end(node)
  if node == '' then
    return '+'
  end
  return '(' .. string.sub(node, 1, -2) .. '0' -- '0' follows '/' in ASCII
end

local function first_below(part, node)
  return read('ZRANGEBYLEX', key(part), '[' .. node, subtree_end(node), 'LIMIT', 0, 1)[1]
end

-- Exclusive nodes, then shared ones, as one list.
local function all_nodes(set)
  local nodes, count = {unpack(set.x)}, #set.x
  for i = 1, #set.s do
    nodes[count + i] = set.s[i]
  end
  return nodes
end

-- What is read of the readers of shared nodes is kept: an acquisition adds to it.
local function blocked_at_nodes(set)
  local nodes, count = all_nodes(set), #set.x
  local held = read('ZMSCORE', key('locks'), unpack(nodes))
  for i = 1, #nodes do
    if held[i] then
      return 'X' .. nodes[i]
    end
  end
  local readers = read('HMGET', key('readers'), unpack(nodes))
  for i = 1, count do
    if readers[i] then
      return 'S' .. nodes[i]
    end
  end
  set.readers = {unpack(readers, count + 1, #nodes)}
end

-- `own` are wide holds of the asking task itself: held by nobody else when they are held once.
local function blocked_above(set, own)
  local wide = key('wide')
  if read('HLEN', wide) == 0 then
    return nil
  end
  local fields, seen = {}, {}
  local function ask(field)
    if not seen[field] then
      seen[field] = true
      fields[#fields + 1] = field
    end
  end
  local function ask_above(nodes, is_exclusive)
    for i = 1, #nodes do
      local node, slash = nodes[i], 0
      while slash and slash < #node do
        local ancestor = string.sub(node, 1, slash)
        ask('X' .. ancestor)
        if is_exclusive then
          ask('S' .. ancestor)
        end
        slash = string.find(node, '/', slash + 1, true)
      end
    end
  end
  ask_above(set.x, true)
  ask_above(set.s, false)
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    for i, count in ipairs(read('HMGET', wide, unpack(fields, first, last))) do
      local field = count and fields[first + i - 1]
      if field and not (own and own[field] and tonumber(count) == 1) then
        return field
      end
    end
  end
end

local function blocked_below(set)
  for i = 1, #set.w do
    local mode, node = string.sub(set.w[i], 1, 1), string.sub(set.w[i], 2)
    local held = first_below('locks', node)
    if held then
      return 'X' .. held
    end
    held = mode == 'X' and first_below('reading', node)
    if held then
      return 'S' .. held
    end
  end
end

-- The held mode and node that keeps this lock set from being granted, or nil.
local function find_blocker(set)
  if is_empty(set) then
    return nil
  end
  return blocked_at_nodes(set) or blocked_above(set) or blocked_below(set)
end

local function is_acquired(mode, node)
  for _, set in ipairs(acquired) do
    if is_among(set[mode], node) then
      return true
    end
  end
  return false
end

local function is_held(hold)
  local mode, node = string.lower(string.sub(hold, 1, 1)), string.sub(hold, 2)
  if is_acquired(mode, node) then
    return true
  end
  return not is_among(freed[mode], node) and read('ZSCORE', key(mode == 'x' and 'locks' or 'reading'), node) and true
end

-- What people see from the start of work to its merge: `lock:<path>`, with a trailing slash when it covers a subtree.
-- No script reads it.
local function each_display(set, visit)
  local is_wide = {}
  for i = 1, #set.w do
    is_wide[set.w[i]] = true
  end
  for mode, nodes in pairs({X = set.x, S = set.s}) do
    for i = 1, #nodes do
      local hold = mode .. nodes[i]
      local path = is_wide[hold] and nodes[i] or string.sub(nodes[i], 1, -2)
      visit(key('lock', path == '' and '/' or path), mode)
    end
  end
end

local function show_locks(set, member, token, ttl_ms)
  each_display(set, function(display, mode)
    write('SET', display, mode .. ' ' .. member .. ' ' .. token, 'PX', ttl_ms)
  end)
end

-- Holds that several tasks may have at once are counted in a hash; an absent count is 0, and `stored` is what it says,
-- if it was read. Returns those that ended, and those that began.
local function write_counts(name, holds, change, stored)
  local counts, gone, new = {}, {}, {}
  if #holds == 0 then
    return gone, new
  end
  stored = stored or read('HMGET', name, unpack(holds))
  for i = 1, #holds do
    local before, left = stored[i] or '0', nil
    if change == 1 then
      left = one_more(before)
    elseif change == -1 then
      left = one_less(before)
    else
      left = number_text(before + change[i])
    end
    if before == '0' then
      new[#new + 1] = holds[i]
    end
    if left == '0' then
      gone[#gone + 1] = holds[i]
    else
      counts[#counts + 1] = holds[i]
      counts[#counts + 1] = left
    end
  end
  if #counts > 0 then
    write_fields(name, counts)
  end
  if #gone > 0 then
    write_many('HDEL', name, gone)
  end
  return gone, new
end

local function with_zeros(nodes)
  local scored = {}
  for i = 1, #nodes do
    scored[2 * i - 1], scored[2 * i] = '0', nodes[i]
  end
  return scored
end

-- Of a set that `find_blocker` has found nothing in the way of.
local function acquire_locks(set)
  acquired[#acquired + 1] = set
  if #set.x > 0 then
    write_many('ZADD', key('locks'), with_zeros(set.x))
  end
  local _, new = write_counts(key('readers'), set.s, 1, set.readers)
  if #new > 0 then
    write_many('ZADD', key('reading'), with_zeros(new))
  end
  write_counts(key('wide'), set.w, 1)
end

-- Several holders may go in one script: what they held together is settled once, at the end.
local function release_locks(set, is_shown)
  set.is_shown = is_shown
  returned[#returned + 1] = set
end

-- How often each of these holds is given back, as two lists in step, or a list and one number.
local function sum_up(part)
  if #returned == 1 then
    return returned[1][part], -1
  end
  local holds, changes, place = {}, {}, {}
  for _, set in ipairs(returned) do
    local list = set[part]
    for i = 1, #list do
      local at = place[list[i]]
      if not at then
        at = #holds + 1
        holds[at], changes[at], place[list[i]] = list[i], 0, at
      end
      changes[at] = changes[at] - 1
    end
  end
  return holds, changes
end

-- What is shared may have been shown by somebody else who has gone before, and as covering more or less.
local function hide_locks()
  local displays = {}
  for _, set in ipairs(returned) do
    if set.is_shown then
      each_display(set, function(display, mode)
        if mode == 'X' then
          displays[#displays + 1] = display
        end
      end)
    end
  end
  for _, unread in ipairs(freed.s) do
    local node = unread == '' and '/' or unread
    if not is_acquired('x', unread) then
      displays[#displays + 1] = key('lock', node)
      displays[#displays + 1] = key('lock', string.sub(node, 1, -2))
    end
  end
  if #displays > 0 then
    write_many('DEL', table.remove(displays), displays)
  end
end

local function settle_locks()
  if #returned == 0 then
    return
  end
  local exclusive = sum_up('x')
  local unread = write_counts(key('readers'), sum_up('s'))
  write_counts(key('wide'), sum_up('w'))
  freed.x, freed.s = exclusive, unread
  if #exclusive > 0 then
    write_many('ZREM', key('locks'), exclusive)
  end
  if #unread > 0 then
    write_many('ZREM', key('reading'), unread)
  end
  hide_locks()
end
