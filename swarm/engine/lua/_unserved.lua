-- Queues with tasks that no worker alive can do. One that stays so for five minutes is reported, and again every five.
local look_for_unserved
do
  local LOOK_EVERY_MS, REPORT_AFTER_MS = 10000, 300000

  local function is_served(queue, member)
    local executor = read('HGET', key('task', member), 'executor') or ''
    for _, worker in ipairs(ability.read_alive_workers()) do
      if ability.can_do(worker, queue, executor) then
        return true
      end
    end
    return false
  end

  local function note(queue, stored)
    local since, told = string.match(stored or '', '^(%d+) (%d+)$')
    since, told = tonumber(since or now), tonumber(told or 0)
    if now - math.max(since, told) >= REPORT_AFTER_MS then
      told = now
      emit('type_unserved', '', '', {'type', queue, 'since_ms', number_text(since)})
    end
    write_fields(key('unserved'), {queue, number_text(since) .. ' ' .. number_text(told)})
  end

  -- `last_ms` is when somebody looked last; returns when that is now.
  function look_for_unserved(last_ms)
    if now - tonumber(last_ms or 0) < LOOK_EVERY_MS then
      return last_ms
    end
    for _, queue in ipairs(split_lines(read_meta()[2] or '')) do
      local head = read('ZRANGE', key('queue', queue), 0, 0)[1]
      local stored = read('HGET', key('unserved'), queue)
      if head and not is_served(queue, head) then
        note(queue, stored)
      elseif stored then
        write('HDEL', key('unserved'), queue)
      end
    end
    return now_text
  end
end
