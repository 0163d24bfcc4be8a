-- Validate first, write after, by construction: a script collects its writes, and `commit` probes
-- the type of every key among them before it executes the first. Reads see the state before the call.
local prefix, now, now_text
local pending, probed, told, hashes

local FAMILY = {
  HSET = 'HLEN', HDEL = 'HLEN', HINCRBY = 'HLEN',
  ZADD = 'ZSET', ZREM = 'ZSET', ZINCRBY = 'ZSET',
  SADD = 'SCARD', SREM = 'SCARD',
  RPUSH = 'LLEN', LPOP = 'LLEN',
}

local function key(part, name)
  return prefix .. PARTS[part] .. (name or '')
end

local function number_text(number)
  return string.format('%.0f', number)
end

-- A read with a typed command proves the type of its key.
local function read(command, name, ...)
  probed[name] = true
  return redis.call(command, name, ...)
end

local function write(command, name, ...)
  if command == 'XADD' then
    told[#told + 1] = {command, name, ...}
    return
  end
  if command ~= 'HSET' then
    pending[#pending + 1] = {command, name, ...}
    return
  end
  -- Fields of one hash go in one command; a later value of a field wins, as it would alone.
  local fields = hashes[name]
  if not fields then
    fields = {command, name, ...}
    hashes[name] = fields
    pending[#pending + 1] = fields
    return
  end
  local added = {...}
  for i = 1, #added do
    fields[#fields + 1] = added[i]
  end
end

local function begin_writes(first_key)
  prefix, probed = first_key, {}
  pending, told, hashes = {}, {}, {}
  now = read_clock_ms()
  now_text = number_text(now)
end

-- Forget what was collected since the last commit.
local function drop_writes()
  pending, told, hashes = {}, {}, {}
end

local function commit_writes()
  -- The bare prefix is never a key: an empty first set makes ZINTERCARD probe types and stop.
  local zsets = {'ZINTERCARD', 0, prefix}
  for _, command in ipairs(pending) do
    local name, family = command[2], FAMILY[command[1]]
    if family and not probed[name] then
      probed[name] = true
      if family == 'ZSET' then
        zsets[#zsets + 1] = name
      else
        redis.call(family, name)
      end
    end
  end
  if #zsets > 3 then
    zsets[2] = #zsets - 2
    redis.call(unpack(zsets))
  end
  -- Events first: they are all of one key, so the first to fail fails before anything has changed.
  for _, command in ipairs(told) do
    redis.call(unpack(command))
  end
  for _, command in ipairs(pending) do
    redis.call(unpack(command))
  end
  drop_writes()
end

-- The next fencing token; at most one a commit, because reads see the state before it.
local function next_token()
  local token = number_text(tonumber(read('HGET', key('meta'), 'fence') or 0) + 1)
  write('HSET', key('meta'), 'fence', token)
  return token
end
