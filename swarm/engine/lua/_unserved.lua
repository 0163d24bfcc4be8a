-- Queues with tasks that no worker alive can do. One that stays so for five minutes is reported, and again every five.
-- Of each queue the best few are looked at: what waits behind tasks that can be done is noticed too.
local look_for_unserved
do
  local LOOK_EVERY_MS, REPORT_AFTER_MS = 10000, 300000
  local BEST, BEST_OF_ALL = 20, 400

  local function is_served(queue, executor)
    for _, worker in ipairs(ability.read_alive_workers()) do
      if ability.can_do(worker, queue, executor) then
        return true
      end
    end
    return false
  end

  -- The executor that one of a queue's best lacks; empty when no worker serves the queue at all, nil when nothing lacks.
  local function find_missing(queue, best)
    local seen = {}
    for _, member in ipairs(read('ZRANGE', key('queue', queue), 0, best - 1)) do
      local executor = read('HGET', key('task', member), 'executor') or ''
      if not seen[executor] and not is_served(queue, executor) then
        return is_served(queue) and executor or ''
      end
      seen[executor] = true
    end
  end

  local function note(queue, stored, executor)
    local since, told, lacked = string.match(stored or '', '^(%d+) (%d+) ?(.*)$')
    if lacked ~= executor then
      since, told = nil, nil -- something else is missing than before, since now
    end
    since, told = tonumber(since or now), tonumber(told or 0)
    if now - math.max(since, told) >= REPORT_AFTER_MS then
      told = now
      emit('type_unserved', '', '', {'type', queue, 'since_ms', number_text(since), 'executor', executor})
    end
    local lacking = executor ~= '' and ' ' .. executor or ''
    write_fields(key('unserved'), {queue, number_text(since) .. ' ' .. number_text(told) .. lacking})
  end

  -- `last_ms` is when somebody looked last; returns when that is now.
  function look_for_unserved(last_ms)
    if now - tonumber(last_ms or 0) < LOOK_EVERY_MS then
      return last_ms
    end
    local queues = split_lines(read_meta()[2] or '')
    local best = math.max(1, math.min(BEST, math.floor(BEST_OF_ALL / #queues)))
    for _, queue in ipairs(queues) do
      local missing = find_missing(queue, best)
      local stored = read('HGET', key('unserved'), queue)
      if missing then
        note(queue, stored, missing)
      elseif stored then
        write('HDEL', key('unserved'), queue)
      end
    end
    return now_text
  end
end
