-- Give tasks of a run other urgencies; each keeps its age and its place: queue, lot, aside, backoff, merge queue.
-- KEYS[1]  the project's key prefix
-- ARGV     run, op_id, then pairs: task id, urgency (the score without age); 150 pairs at most
-- Writes   task, queue, parked, lot, paused, merging, meta
-- Returns  {'OK', how many scores changed}
-- Flags: allow-oom
-- Moves: none
local run, changed = args[1], 0
local repeated = first_answer(args[2])
if repeated then
  return repeated
end

-- Whose turn it is stays in front.
local function move_in_queues(task, score)
  if turn.whose() == task.member then
    return
  end
  if task.state == 'merging' then
    write('ZADD', key('merging'), 'XX', score, task.member)
  elseif task.state == 'queued' and task.lot ~= '' then
    write('ZADD', key('lot', task.lot), 'XX', score, task.member)
    write('ZADD', key('parked', task.type), 'XX', score, task.member)
  elseif task.state == 'queued' then
    write('ZADD', key('queue', task.type), 'XX', score, task.member)
    if read_run(task.run).paused ~= '' then
      write('ZADD', key('paused', task.run), 'XX', score, task.member)
    end
  end
end

for i = 3, #args, 2 do
  local task = read_task(run .. '/' .. args[i])
  local before = task and tonumber(task.score)
  if before and not IS_TERMINAL[task.state] then
    local score = number_text(tonumber(args[i + 1]) + before % 1000000)
    if tonumber(score) ~= before then
      write_fields(key('task', task.member), {'score', score})
      move_in_queues(task, score)
      changed = changed + 1
    end
  end
end
return settle({'OK', number_text(changed)})
