-- Who can do what. A queue is named by the type of its tasks and the tags that they need, such as `docs+gpu`; the
-- skills of a claim are its executors, its tags, and runs of which it takes nothing: `,command,messages,+gpu,-4f2a,`.
local ability = {}

function ability.base_type(queue)
  return string.find(queue, '+', 1, true) and string.match(queue, '^[^+]*') or queue
end

function ability.has_tags(skills, queue)
  for tag in string.gmatch(queue, '(%+[^+]+)') do
    if not string.find(skills, ',' .. tag .. ',', 1, true) then
      return false
    end
  end
  return true
end

function ability.passes_over(skills, run)
  return string.find(skills, ',-' .. run .. ',', 1, true)
end

-- Those of the known queues that this worker serves; all of its types when it names none.
function ability.served_queues(skills, named)
  local queues = {}
  for _, queue in ipairs(split_lines(read_meta()[2] or '')) do
    if (not named or named[ability.base_type(queue)]) and ability.has_tags(skills, queue) then
      queues[#queues + 1] = queue
    end
  end
  return queues
end

-- Workers that were seen lately, with what they can do, read once a call.
function ability.read_alive_workers()
  if not ability.alive then
    ability.alive = {}
    local seen = read('ZRANGEBYSCORE', key('workers'), number_text(now - ALIVE_MS), '+inf', 'LIMIT', 0, 300)
    for i, worker in ipairs(seen) do
      local known = read('HMGET', key('agent', worker), 'types', 'executors', 'tags')
      local tags = known[3] and known[3] ~= '' and '+' .. string.gsub(known[3], ',', ',+') .. ',' or ''
      ability.alive[i] = {
        name = worker, types = ',' .. (known[1] or '') .. ',', skills = ',' .. (known[2] or '') .. ',' .. tags,
      }
    end
  end
  return ability.alive
end

-- Of any executor when none is named.
function ability.can_do(worker, queue, executor)
  return (string.find(worker.types, ',*,', 1, true) or string.find(worker.types, ',' .. ability.base_type(queue) .. ',', 1, true))
    and (not executor or string.find(worker.skills, ',' .. executor .. ',', 1, true)) and ability.has_tags(worker.skills, queue)
end

function ability.has_failed(task, worker)
  return string.find('\n' .. task.tried_by .. '\n', '\n' .. worker .. '\n', 1, true)
end

-- The worker has failed this task, and another one that has not is there to do it. That one may be at work for an
-- hour, so it is waited for only a while.
local FOR_OTHERS_MS = 30000

function ability.is_for_another(task, worker)
  if task.tried_by == '' or not ability.has_failed(task, worker) or now - tonumber(task.queued_ms) > FOR_OTHERS_MS then
    return false
  end
  for _, other in ipairs(ability.read_alive_workers()) do
    if not ability.has_failed(task, other.name) and ability.can_do(other, task.type, task.executor) then
      return true
    end
  end
  return false
end
