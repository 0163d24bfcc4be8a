-- Validate first, write after, by construction: a script collects its writes, and a commit proves the type of every
-- key among them before it executes the first. Reads see the state before the commit. Only the short way (`_short.lua`)
-- writes past it, and proves its keys itself.
local prefix, now, now_text
local pending, probed, unproven, told, hashes
local whole_keys = {}

local FAMILY = {
  HSET = 'HLEN', HDEL = 'HLEN', HINCRBY = 'HLEN',
  ZADD = 'ZSET', ZREM = 'ZSET', ZINCRBY = 'ZSET',
  SADD = 'SCARD', SREM = 'SCARD',
  RPUSH = 'LLEN', LPOP = 'LLEN',
}

local function key(part, name)
  if name then
    return prefix .. PARTS[part] .. name
  end
  return whole_keys[part]
end

-- Whole numbers only: a number that is handed to `redis.call` as it is, or printed as a float, costs four times this.
local function number_text(number)
  return string.format('%d', number)
end

-- A count as text, one more and one less, mostly without reading it as a number.
local one_more, one_less, bind_strings
do
  local byte, sub, format
  local DIGITS = {[0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}

  function bind_strings()
    byte, sub, format = string.byte, string.sub, string.format
  end

  function one_more(text)
    local last = byte(text, -1)
    return last == 57 and format('%d', text + 1) or sub(text, 1, -2) .. DIGITS[last - 47]
  end

  function one_less(text)
    local last = byte(text, -1)
    return last == 48 and format('%d', text - 1) or sub(text, 1, -2) .. DIGITS[last - 49]
  end
end

local function split_lines(text)
  local lines = {}
  for line in string.gmatch(text, '[^\n]+') do
    lines[#lines + 1] = line
  end
  return lines
end

-- A read with a typed command proves the type of its key.
local function read(command, name, ...)
  probed[name] = true
  return redis.call(command, name, ...)
end

local function will_prove(command, name)
  local family = FAMILY[command]
  if family then
    probed[name] = true
    unproven[#unproven + 1] = family
    unproven[#unproven + 1] = name
  end
end

-- The words of a command are kept as one list, in its third place.
local AS_LIST = true

local function write_many(command, name, words)
  if not probed[name] then
    will_prove(command, name)
  end
  pending[#pending + 1] = {command, name, words, AS_LIST}
end

local function write(command, name, first, second, third)
  if not probed[name] then
    will_prove(command, name)
  end
  pending[#pending + 1] = {command, name, first, second, third}
end

-- Fields of one hash go in one command; a later value of a field wins, as it would alone.
local function write_fields(name, fields)
  local known = hashes[name]
  if known then
    for i = 1, #fields do
      known[#known + 1] = fields[i]
    end
    return
  end
  if not probed[name] then
    will_prove('HSET', name)
  end
  hashes[name] = fields
  pending[#pending + 1] = {'HSET', name, fields, AS_LIST}
end

-- Forget what was collected since the last commit.
local function drop_writes()
  for i = 2, unproven and #unproven or 0, 2 do
    probed[unproven[i]] = nil
  end
  pending, unproven, told, hashes = {}, {}, {}, {}
end

local function begin_writes(first_key)
  if first_key ~= prefix then
    prefix = first_key
    for part, name in pairs(PARTS) do
      whole_keys[part] = prefix .. name
    end
  end
  now, now_text = read_clock_ms()
  now_text = now_text or number_text(now)
end

-- Prove the type of every key among the collected writes; whatever is wrong is said here, before the first of them.
local function probe_writes()
  local zsets
  for i = 1, #unproven, 2 do
    local family, name = unproven[i], unproven[i + 1]
    if family == 'ZSET' then
      -- The bare prefix is never a key: an empty first set makes ZINTERCARD probe types and stop.
      zsets = zsets or {'ZINTERCARD', 0, prefix}
      zsets[#zsets + 1] = name
    else
      redis.call(family, name)
    end
  end
  if zsets then
    zsets[2] = #zsets - 2
    redis.call(unpack(zsets))
  end
  if zsets or #unproven > 0 then
    unproven = {}
  end
end

local function execute_writes()
  local call = redis.call
  -- Events first: they are all of one key, so the first to fail fails before anything has changed.
  for i = 1, #told do
    call('XADD', key('events'), '*', told[i][1], told[i][2])
  end
  for i = 1, #pending do
    local command = pending[i]
    if command[4] == AS_LIST then
      call(command[1], command[2], unpack(command[3]))
    else
      call(unpack(command))
    end
  end
  if #told > 0 or #pending > 0 then
    drop_writes()
  end
end

local function commit_writes()
  probe_writes()
  execute_writes()
end

-- What the whole project's hash says, read once a call: fence, types, durations, controls, turn.
local meta_read

local function read_meta(...)
  meta_read = meta_read or read('HMGET', key('meta'), 'fence', 'types', 'durations', 'controls', 'turn', ...)
  return meta_read
end

-- Two more of its fields, in the same command if it has not been read yet; the second is '' when it is absent.
local function read_meta_for(first, second)
  if meta_read then
    local both = read('HMGET', key('meta'), first, second)
    return both[1], both[2] or ''
  end
  local stored = read_meta(first, second)
  return stored[6], stored[7] or ''
end

-- The next fencing token; at most one a commit, because reads see the state before it.
local function next_token()
  local token = number_text(tonumber(read_meta()[1] or 0) + 1)
  write_fields(key('meta'), {'fence', token})
  return token
end
