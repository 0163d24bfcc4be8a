-- Epochs. A server that was promoted, or came back from its files, may have lost the last tokens that were given out; if
-- it gave them out again, two workers would hold the same one. Its replication id is another one then, and the counter
-- jumps beyond whatever can have been lost. A server that was away had no calls: it is asked again after a pause.
local epoch = {}
do
  local PAUSE_MS, JUMP = 200, 1000000
  local called_ms, settled = {}, {}

  function epoch.id()
    return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
  end

  -- Owes the jump to the next commit, and is asked again until there is one.
  function epoch.look()
    local last = called_ms[prefix]
    called_ms[prefix] = now
    epoch.is_owed = false
    if settled[prefix] and last and now >= last and now - last <= PAUSE_MS then
      return
    end
    local known = redis.call('HMGET', key('meta'), 'epoch', 'fence')
    local id = known[1] and epoch.id()
    settled[prefix] = not known[1] or known[1] == id
    if not settled[prefix] then
      epoch.is_owed = true
      read_meta()[1] = number_text(tonumber(known[2] or 0) + JUMP)
      write_fields(key('meta'), {'epoch', id, 'fence', read_meta()[1]})
    end
  end
end
