-- Parking. A task blocked by a lock waits in the lot of what blocks it: held mode and node, type and
-- executor, so that whoever serves the lot can serve its head. A release wakes the best of each lot and
-- hands it a baton; when the woken task is granted, or blocked elsewhere, the baton wakes the next, unless
-- the lot's node is held again. So: a lot with tasks has a holder or a baton, and one release wakes one.
local leaving, passing
local turn = {} -- see `_turn.lua`

local LOTS_A_CALL = 100

-- Whose turn it is has a lot to itself and comes first in it and in its queue.
local function park(task, hold)
  local lot, score = hold .. '\n' .. task.type .. '\n' .. task.executor, proven_score(task.member, task.score)
  if turn.whose() == task.member then
    lot, score = lot .. '\nturn', '0'
  end
  local path = string.sub(hold, 2)
  path = path == '' and '/' or path
  write('ZREM', key('queue', task.type), task.member)
  write('ZADD', key('lot', lot), score, task.member)
  write('ZADD', key('lots'), '0', lot)
  write('ZADD', key('parked', task.type), score, task.member)
  local since = task.parked_ms == '0' and now_text or task.parked_ms
  write_fields(key('task', task.member), {'lot', lot, 'parked_on', path, 'parked_ms', since, 'baton', ''})
  emit('task_parked', task.run, task.id, {'state', 'queued', 'path', path})
end

local function forget_last_of_lot(lot)
  if read('ZCARD', key('lot', lot)) == 1 then
    write('ZREM', key('lots'), lot)
  end
end

local function leave_lot(task)
  forget_last_of_lot(task.lot)
  write('ZREM', key('lot', task.lot), task.member)
  write('ZREM', key('parked', task.type), task.member)
  leaving[task.member] = true
end

local function next_in_lot(lot_key)
  local from = 0
  while true do
    local page = read('ZRANGE', lot_key, from, from + 49, 'WITHSCORES')
    for i = 1, #page, 2 do
      if not leaving[page[i]] then
        return page[i], page[i + 1]
      end
    end
    if #page < 100 then
      return nil
    end
    from = from + 50
  end
end

local function wake(lot)
  local type, executor = string.match(lot, '^[^\n]*\n([^\n]*)\n([^\n]*)')
  local member, score = next_in_lot(key('lot', lot))
  if not member then
    write('ZREM', key('lots'), lot)
    return
  end
  leaving[member] = true
  forget_last_of_lot(lot)
  read('HLEN', key('task', member))
  write('ZREM', key('lot', lot), member)
  write('ZREM', key('parked', type), member)
  write_fields(key('task', member), {'lot', '', 'parked_on', '', 'baton', lot})
  enqueue(member, type, executor, score)
end

-- Wake one task of each lot of a hold; the name to go on from when there are more than a call may do.
local function wake_lots(hold, after)
  local first = '[' .. hold .. '\n'
  if after ~= '' then
    first = '(' .. after
  end
  local lots = read('ZRANGEBYLEX', key('lots'), first, '(' .. hold .. '\11', 'LIMIT', 0, LOTS_A_CALL)
  for _, lot in ipairs(lots) do
    if not passing[lot] then
      wake(lot)
    end
  end
  return #lots == LOTS_A_CALL and lots[#lots] or nil
end

local function pass_batons()
  local batons = {}
  for lot in pairs(passing) do
    batons[#batons + 1] = lot
  end
  for _, lot in ipairs(batons) do
    local hold = string.match(lot, '^([^\n]*)\n')
    if is_held(hold) or turn.is_about(hold) then
      passing[lot] = nil
    else
      wake(lot)
    end
  end
end

local function settle_lots()
  if next(passing) then
    pass_batons()
  end
  if (#freed.x == 0 and #freed.s == 0) or read('ZCARD', key('lots')) == 0 then
    return
  end
  for mode, nodes in pairs(freed) do
    for _, node in ipairs(nodes) do
      local hold = string.upper(mode) .. node
      local after = not is_acquired(mode, node) and wake_lots(hold, '')
      if after then
        leave_work('wake', hold, after)
      end
    end
  end
end

local function emptied(table)
  return table and not next(table) and table or {}
end

-- What a commit has settled is behind it.
local function reset_locks()
  freed = {x = NO_LOCKS.x, s = NO_LOCKS.s}
  acquired, returned = emptied(acquired), emptied(returned)
  leaving, passing = emptied(leaving), emptied(passing)
end
