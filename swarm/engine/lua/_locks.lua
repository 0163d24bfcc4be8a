-- Hierarchical locks. A node is a path ending in '/', '' for the root. `locks` holds exclusive nodes and `reading`
-- shared ones, all with score 0 so that BYLEX finds a subtree; `readers` counts who shares a node, `wide` who covers
-- the subtree under it. Ancestors are looked at only while something wide is held; a wide request looks at its
-- subtree by LEX. A task's lock set is compiled at submit, as JSON: all nodes `n`, exclusive ones `x`, shared ones `s`,
-- and wide holds `w` (X or S and the node): a node alone, unless it is among these.
-- `freed` and `acquired` hold what this commit frees and takes, `returned` the sets that holders give back.
local freed, acquired, returned

local NO_LOCKS = {n = {}, x = {}, s = {}, w = {}}

local function parse_locks(text)
  if not text or text == '' then
    return NO_LOCKS
  end
  return cjson.decode(text)
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

local function first_held(part, nodes)
  if #nodes == 0 then
    return nil
  end
  local scores = read('ZMSCORE', key(part), unpack(nodes))
  for i = 1, #nodes do
    if scores[i] then
      return nodes[i]
    end
  end
end

local function blocked_at_nodes(set)
  local node = first_held('locks', set.n)
  if node then
    return 'X' .. node
  end
  node = first_held('reading', set.x)
  return node and 'S' .. node
end

local function blocked_above(set)
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
      if count then
        return fields[first + i - 1]
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
  if #set.n == 0 then
    return nil
  end
  return blocked_at_nodes(set) or blocked_above(set) or blocked_below(set)
end

local function is_held(hold)
  if acquired[hold] then
    return true
  end
  local part = string.sub(hold, 1, 1) == 'X' and 'locks' or 'reading'
  return not freed[hold] and read('ZSCORE', key(part), string.sub(hold, 2)) and true
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

-- Holds that several tasks may have at once are counted in a hash; an absent count is 0. Returns those that ended.
local function write_counts(name, holds, changes)
  local counts, gone = {}, {}
  if #holds == 0 then
    return gone
  end
  local stored = read('HMGET', name, unpack(holds))
  for i = 1, #holds do
    local left = (stored[i] or 0) + (changes and changes[i] or 1)
    if left > 0 then
      counts[#counts + 1] = holds[i]
      counts[#counts + 1] = left
    else
      gone[#gone + 1] = holds[i]
    end
  end
  if #counts > 0 then
    write_fields(name, counts)
  end
  if #gone > 0 then
    write_many('HDEL', name, gone)
  end
  return gone
end

local function with_zeros(nodes)
  local scored = {}
  for i = 1, #nodes do
    scored[2 * i - 1], scored[2 * i] = '0', nodes[i]
  end
  return scored
end

local function acquire_locks(set)
  for i = 1, #set.x do
    acquired['X' .. set.x[i]] = true
  end
  for i = 1, #set.s do
    acquired['S' .. set.s[i]] = true
  end
  if #set.x > 0 then
    write_many('ZADD', key('locks'), with_zeros(set.x))
  end
  if #set.s > 0 then
    write_many('ZADD', key('reading'), with_zeros(set.s))
    write_counts(key('readers'), set.s)
  end
  if #set.w > 0 then
    write_counts(key('wide'), set.w)
  end
end

-- Several holders may go in one script: what they held together is settled once, at the end.
local function release_locks(set, is_shown)
  set.is_shown = is_shown
  returned[#returned + 1] = set
end

-- How often each of these holds is given back, as two lists in step.
local function sum_up(part)
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
local function hide_locks(unread)
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
  for i = 1, #unread do
    local node = unread[i] == '' and '/' or unread[i]
    displays[#displays + 1] = key('lock', node)
    displays[#displays + 1] = key('lock', string.sub(node, 1, -2))
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
  for i = 1, #exclusive do
    freed['X' .. exclusive[i]] = true
  end
  local unread = write_counts(key('readers'), sum_up('s'))
  for i = 1, #unread do
    freed['S' .. unread[i]] = true
  end
  write_counts(key('wide'), sum_up('w'))
  if #exclusive > 0 then
    write_many('ZREM', key('locks'), exclusive)
  end
  if #unread > 0 then
    write_many('ZREM', key('reading'), unread)
  end
  hide_locks(unread)
end
