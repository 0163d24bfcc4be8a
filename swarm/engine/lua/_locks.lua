-- Hierarchical locks. A lock set is compiled at submit, one line an entry: mode (X exclusive, S shared),
-- `*` for everything under the node or `-` for the node alone, and the node: a path ending in '/', '' for
-- the root. `locks` holds exclusive nodes and `reading` shared ones, all with score 0 so that BYLEX finds a
-- subtree; `readers` counts who shares a node, `wide` who covers the subtree under it.
-- Ancestors are looked at only while something wide is held; a wide request looks at its subtree by LEX.
local freed, acquired, returned

local NO_LOCKS = {}

local function parse_locks(text)
  if not text or text == '' then
    return NO_LOCKS
  end
  local entries = {}
  for mode, extent, node in string.gmatch(text, '([XS])([*-])([^\n]*)') do
    entries[#entries + 1] = {mode = mode, wide = extent == '*', node = node}
  end
  return entries
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

local function blocked_at_nodes(entries)
  local all, exclusive = {}, {}
  for _, entry in ipairs(entries) do
    all[#all + 1] = entry.node
    if entry.mode == 'X' then
      exclusive[#exclusive + 1] = entry.node
    end
  end
  for i, held in ipairs(read('ZMSCORE', key('locks'), unpack(all))) do
    if held then
      return 'X' .. all[i]
    end
  end
  if #exclusive > 0 then
    for i, held in ipairs(read('ZMSCORE', key('reading'), unpack(exclusive))) do
      if held then
        return 'S' .. exclusive[i]
      end
    end
  end
end

local function blocked_above(entries)
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
  for _, entry in ipairs(entries) do
    local slash = 0
    while slash and slash < #entry.node do
      local ancestor = string.sub(entry.node, 1, slash)
      ask('X' .. ancestor)
      if entry.mode == 'X' then
        ask('S' .. ancestor)
      end
      slash = string.find(entry.node, '/', slash + 1, true)
    end
  end
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    for i, count in ipairs(read('HMGET', wide, unpack(fields, first, last))) do
      if count then
        return fields[first + i - 1]
      end
    end
  end
end

local function blocked_below(entries)
  for _, entry in ipairs(entries) do
    if entry.wide then
      local node = first_below('locks', entry.node)
      if node then
        return 'X' .. node
      end
      node = entry.mode == 'X' and first_below('reading', entry.node)
      if node then
        return 'S' .. node
      end
    end
  end
end

-- The held mode and node that keeps this lock set from being granted, or nil.
local function find_blocker(entries)
  if #entries == 0 then
    return nil
  end
  return blocked_at_nodes(entries) or blocked_above(entries) or blocked_below(entries)
end

local function is_held(hold)
  if acquired[hold] then
    return true
  end
  local part = string.sub(hold, 1, 1) == 'X' and 'locks' or 'reading'
  return not freed[hold] and read('ZSCORE', key(part), string.sub(hold, 2)) and true
end

-- What people see: `lock:<path>`, with a trailing slash when it covers a subtree. No script reads it.
local function display_key(entry)
  local path = entry.wide and entry.node or string.sub(entry.node, 1, -2)
  return key('lock', path == '' and '/' or path)
end

local function show_locks(entries, member, token, ttl_ms)
  local value = {X = 'X ' .. member .. ' ' .. token, S = 'S ' .. member .. ' ' .. token}
  for _, entry in ipairs(entries) do
    write('SET', display_key(entry), value[entry.mode], 'PX', ttl_ms)
  end
end

-- Holds that several tasks may have at once are counted in a hash; an absent count is 0.
local function write_counts(name, holds, changes)
  if #holds == 0 then
    return
  end
  local counts, gone = {}, {}
  for i, count in ipairs(read('HMGET', name, unpack(holds))) do
    local left = tonumber(count or 0) + changes[i]
    if left > 0 then
      counts[#counts + 1] = holds[i]
      counts[#counts + 1] = number_text(left)
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
  local pairs_of = {}
  for i = 1, #nodes do
    pairs_of[2 * i - 1], pairs_of[2 * i] = '0', nodes[i]
  end
  return pairs_of
end

local function acquire_locks(entries)
  local exclusive, shared, wide, ones = {}, {}, {}, {}
  for i, entry in ipairs(entries) do
    local hold = entry.mode .. entry.node
    acquired[hold], ones[i] = true, 1
    local nodes = entry.mode == 'X' and exclusive or shared
    nodes[#nodes + 1] = entry.node
    if entry.wide then
      wide[#wide + 1] = hold
    end
  end
  if #exclusive > 0 then
    write_many('ZADD', key('locks'), with_zeros(exclusive))
  end
  if #shared > 0 then
    write_many('ZADD', key('reading'), with_zeros(shared))
    write_counts(key('readers'), shared, ones)
  end
  write_counts(key('wide'), wide, ones)
end

-- Several holders may go in one script, so what they held is summed up, and settled once at the end.
local function release_locks(entries)
  for _, entry in ipairs(entries) do
    local hold = entry.mode .. entry.node
    local back = returned[hold]
    if not back then
      back = {node = entry.node, mode = entry.mode, holds = 0, wide = 0, displays = {}}
      returned[hold] = back
    end
    back.holds = back.holds + 1
    back.displays[display_key(entry)] = true
    if entry.wide then
      back.wide = back.wide + 1
    end
  end
end

local function settle_shared(nodes, changes)
  for _, node in ipairs(write_counts(key('readers'), nodes, changes) or {}) do
    freed['S' .. node] = true
  end
end

local function settle_locks()
  if not next(returned) then
    return
  end
  local shared, shared_changes, wide, wide_changes = {}, {}, {}, {}
  for hold, back in pairs(returned) do
    if back.mode == 'S' then
      shared[#shared + 1], shared_changes[#shared_changes + 1] = back.node, -back.holds
    else
      freed[hold] = true
    end
    if back.wide > 0 then
      wide[#wide + 1], wide_changes[#wide_changes + 1] = hold, -back.wide
    end
  end
  settle_shared(shared, shared_changes)
  write_counts(key('wide'), wide, wide_changes)
  local exclusive, unread, displays = {}, {}, {}
  for hold in pairs(freed) do
    local back = returned[hold]
    if back then
      local nodes = back.mode == 'X' and exclusive or unread
      nodes[#nodes + 1] = back.node
      for display in pairs(back.displays) do
        displays[#displays + 1] = display
      end
    end
  end
  if #exclusive > 0 then
    write_many('ZREM', key('locks'), exclusive)
  end
  if #unread > 0 then
    write_many('ZREM', key('reading'), unread)
  end
  if #displays > 0 then
    write_many('DEL', table.remove(displays), displays)
  end
end
