-- The outbox: every change is told in the same script that makes it. `state` is the state after it,
-- so that replaying the stream rebuilds what is stored.
-- An event is one field of an entry of the stream: the kind, and as its value `name=value` parted by spaces. As fields of
-- their own they would cost the server, and its append-only file, several times as much: both count words, and commands
-- more. So the short way tells an end and the claim that came with it as one entry.
local event = {}

do
  local ESCAPES = {[' '] = '%20', ['%'] = '%25'}

  function event.escape(text)
    return string.find(text, '[ %%]') and string.gsub(text, '[ %%]', ESCAPES) or text
  end
end

local function emit(kind, run, task, fields)
  local words = {}
  if run ~= '' then
    words[1] = 'run=' .. event.escape(run)
  end
  if task ~= '' then
    words[#words + 1] = 'task=' .. event.escape(task)
  end
  for i = 1, #fields, 2 do
    words[#words + 1] = fields[i] .. '=' .. event.escape(fields[i + 1])
  end
  told[#told + 1] = {kind, table.concat(words, ' ')}
end

-- Ids that were queued together are told together.
function event.tell_queued(run, ids)
  if #ids > 0 then
    emit('tasks_queued', run, '', {'state', 'queued', 'ids', table.concat(ids, '\n')})
  end
end
