-- Do the next item of left-over work, at most a budget's worth of it.
-- KEYS[1]  the project's key prefix
-- ARGV     op_id
-- Writes   work, and whatever the item moves
-- Returns  {'DONE'} when nothing is left, else {'MORE', tasks moved, newly queued ids...}
-- Flags: allow-oom
-- Moves: queued -> failed, acked -> failed, running -> failed, merging -> failed, pending -> done, pending -> queued,
--        pending -> upstream_failed,
--        pending -> cancelled, queued -> cancelled, acked -> cancelled, running -> cancelled, merging -> cancelled,
--        pending -> skipped, queued -> skipped, acked -> skipped, running -> skipped, merging -> skipped,
--        failed -> skipped, upstream_failed -> skipped, cancelled -> skipped, failed -> queued, failed -> pending,
--        cancelled -> queued, cancelled -> pending, upstream_failed -> pending, upstream_failed -> queued
local repeated = first_answer(args[1])
if repeated then
  return repeated
end
local item = read('LINDEX', key('work'), 0)
if not item then
  return {'DONE'}
end
local function parts_of(text)
  local kind, name, from = string.match(text, '^([^\t]*)\t([^\t]*)\t(.*)$')
  return kind, name, from, tonumber(from) or 0
end
local kind, name, from, place = parts_of(item)
write('LPOP', key('work'))
local moved, queued = 0, {}
-- A walk over dependents leaves an item for each task that it came to: of these as many as the budget covers.
local function walk_on(walk)
  moved = walk(name, place) or 0
  for _, another in ipairs(budget > 0 and read('LRANGE', key('work'), 1, budget) or {}) do
    local its_kind, its_name, _, its_place = parts_of(another)
    if its_kind ~= kind or budget <= 0 then
      return
    end
    write('LPOP', key('work'))
    moved = moved + (walk(its_name, its_place) or 0)
  end
end
-- Since a retry left this over, a person may have called off the run, or the task.
local function is_called_off()
  local run = string.match(name, '^[^/]*')
  return read_run(run).state == 'cancelled'
    or name ~= run and CAN_RETRY[read('HGET', key('task', name), 'state') or '']
end
if (kind == 'retry' or kind == 'retry_failed' or kind == 'retry_all' or kind == 'revive_above' or kind == 'revive_below') and is_called_off() then
  moved = 0
elseif kind == 'trigger' then
  local run, id = string.match(name, '^([^/]*)/(.*)$')
  queued = trigger_dependents(run, id, place)
  event.tell_queued(run, queued)
  expansion.finish_ripe(queued)
elseif kind == 'join' then
  expansion.finish_if_ripe(name, queued)
elseif kind == 'skip' then
  expansion.skip_part(name, queued) -- what began it counts itself, and no part of it
elseif kind == 'cancel_parts' then
  moved = expansion.cancel_parts(name)
elseif kind == 'activate' then
  queued = activate_tasks(name, place)
elseif kind == 'doom' then
  walk_on(doom_dependents)
elseif kind == 'cancel' then
  moved = cancel_run_tasks(name, place)
elseif kind == 'stop' then
  orders.stop_run(name, place)
elseif kind == 'cancel_below' then
  walk_on(cancel_dependents)
elseif kind == 'retry' then
  moved = retry_run_tasks(name, place)
elseif kind == 'retry_failed' then
  moved = retry_failed_tasks(name, from)
elseif kind == 'retry_all' then
  moved = retry_all_but_waiting(name, from)
elseif kind == 'revive_above' then
  moved = revive_above(name, place)
elseif kind == 'revive_below' then
  moved = revive_around(name, place)
elseif kind == 'undoom' then
  moved = undoom_run(name, from)
elseif kind == 'expire' then
  expire_run_tasks(name, place)
elseif kind == 'forget' then
  forget_tasks(name)
elseif kind == 'take_up' then
  -- Unless it was paused again since.
  moved = read_run(name).paused == 'ending' and take_up_run(name) or 0
elseif kind == 'wake' and not is_held(name) then
  local after = wake_lots(name, from)
  if after then
    leave_work('wake', name, after)
  end
end
return settle({'MORE', number_text(moved), unpack(queued)})
