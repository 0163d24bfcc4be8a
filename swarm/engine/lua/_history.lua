-- What was tried: of each attempt that ended without landing one JSON object, one a line, the newest last. Bounded in
-- number and in bytes; a retry keeps it.
local history = {MOST = 8, MESSAGE_BYTES = 400}

-- Text of at most so many bytes, not cut within a character.
function history.cut(text, bytes)
  if #text <= bytes then
    return text
  end
  while bytes > 0 and string.find(string.sub(text, bytes + 1, bytes + 1), '[\128-\191]') do
    bytes = bytes - 1
  end
  return string.sub(text, 1, bytes) .. '…'
end

-- The tier is named by a plan's task that has another one than the default.
function history.tier(spec)
  return string.match(spec, '"tier":"(%a+)"') or 'worker'
end

-- `state` is what became of the task.
function history.add(task, kind, message, is_retryable, state)
  local task_key = key('task', task.member)
  local stored = read('HMGET', task_key, 'history', 'spec')
  local lines = split_lines(stored[1] or '')
  lines[#lines + 1] = '{"attempt":' .. task.attempt .. ',"kind":' .. cjson.encode(kind)
    .. ',"message":' .. cjson.encode(history.cut(message, history.MESSAGE_BYTES))
    .. ',"retryable":' .. tostring(is_retryable) .. ',"state":"' .. state
    .. '","worker":' .. cjson.encode(task.worker) .. ',"executor":' .. cjson.encode(task.executor)
    .. ',"tier":"' .. history.tier(stored[2] or '') .. '","since_ms":' .. task.claimed_ms
    .. ',"ended_ms":' .. now_text .. '}'
  local first = math.max(1, #lines - history.MOST + 1)
  write_fields(task_key, {'history', table.concat(lines, '\n', first)})
end

-- What the doomed are told: the task that failed, however far up, and why.
function history.below(state, id, reason)
  if state == 'upstream_failed' then
    return reason
  elseif state == 'cancelled' then
    return 'dependency cancelled: ' .. id
  end
  return 'dependency failed: ' .. id .. (reason ~= '' and ': ' .. reason or '')
end
