-- Every call begins with nothing collected. After a short call there is nothing to forget.
local function begin(keys, args)
  if not call then
    call = redis.call -- while a library loads there is no `redis.call`, and no `string`
    bind_strings()
  end
  args_of_call = args
  begin_writes(keys[1])
  operation, claiming_run, claimed_last, meta_read, ability.alive = nil, nil, nil, nil, nil
  short.run, short.owed, short.handed = nil, nil, nil
  is_repetition, has_learnt = false, false
  if short.is_through then
    short.is_through = false
    for name in pairs(probed) do
      probed[name] = nil
    end
    epoch.look()
    return
  end
  probed, runs_read = {}, {}
  drop_writes()
  tallies, restated, rung = emptied(tallies), emptied(restated), emptied(rung)
  run_spending, visited = emptied(run_spending), emptied(visited)
  reset_locks()
  budget, has_left_work = BUDGET, false
  expansion.ripe = emptied(expansion.ripe)
  epoch.look()
end
