-- The outbox: every change is told in the same script that makes it. `state` is the state after it,
-- so that replaying the stream rebuilds what is stored.
local function emit(kind, run, task, fields)
  told[#told + 1] = {kind, run, task, fields}
end

-- Ids that were queued together are told together.
local function tell_queued(run, ids)
  if #ids > 0 then
    emit('tasks_queued', run, '', {'state', 'queued', 'ids', table.concat(ids, '\n')})
  end
end
