-- Removing what a run that is forgotten has left, a page at a time; its index goes last, and says how far it came.
local forget_tasks
do
  local FORGOTTEN_A_CALL = 100

  function forget_tasks(run)
    if read_run(run).state then
      return 0 -- somebody has submitted it again
    end
    local index, waiting = key('index', run), key('waiting', run)
    local ids, members, gone = read('ZRANGE', index, 0, FORGOTTEN_A_CALL - 1), {}, {}
    for i, id in ipairs(ids) do
      local member = run .. '/' .. id
      members[i] = member
      gone[#gone + 1] = key('task', member)
      gone[#gone + 1] = key('dependents', member)
    end
    if #ids > 0 then
      write_many('ZREM', key('dead'), members)
      write_many('ZREM', key('deadlines'), members)
      write_many('HDEL', waiting, ids)
      write_many('UNLINK', gone[1], {unpack(gone, 2)})
      write_many('ZREM', index, ids)
    end
    if #ids == FORGOTTEN_A_CALL then
      leave_work('forget', run, '')
    end
    return #ids
  end
end
