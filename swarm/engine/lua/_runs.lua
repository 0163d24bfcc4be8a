-- Counts of tasks by state in the run's hash, and the end of a run.
local tallies, restated

local IS_LIVE = {pending = true, queued = true, acked = true, running = true, merging = true}

local function count_move(run, from, to)
  local tally = tallies[run]
  if not tally then
    tally = {}
    tallies[run] = tally
  end
  if from then
    tally[from] = (tally[from] or 0) - 1
  end
  tally[to] = (tally[to] or 0) + 1
end

local function end_run(run, state)
  local run_key = key('run', run)
  local stored = read('HMGET', run_key, 'failed', 'upstream_failed', 'cancelled', 'state', 'ended_ms')
  local function count(place, name)
    return tonumber(stored[place] or 0) + (tallies[run][name] or 0)
  end
  state = state or stored[4]
  if stored[5] ~= '0' and not restated[run] then
    return
  end
  if state ~= 'cancelled' then
    state = 'done'
    if count(1, 'failed') + count(2, 'upstream_failed') > 0 then
      state = 'failed'
    elseif count(3, 'cancelled') > 0 then
      state = 'cancelled'
    end
  end
  write('HSET', run_key, 'state', state, 'ended_ms', now_text)
  write('SREM', key('active'), run)
  emit('run_ended', run, '', 'state', state)
end

local function settle_run(run, tally)
  local run_key, names, live_change = key('run', run), {'live'}, 0
  for state, change in pairs(tally) do
    if change ~= 0 then
      names[#names + 1] = state
      if IS_LIVE[state] then
        live_change = live_change + change
      end
    end
  end
  if #names == 1 and not restated[run] then
    return
  end
  local values = read('HMGET', run_key, unpack(names))
  for i = 2, #names do
    write('HSET', run_key, names[i], number_text(tonumber(values[i] or 0) + tally[names[i]]))
  end
  local live = tonumber(values[1] or 0) + live_change
  write('HSET', run_key, 'live', number_text(live))
  if live == 0 then
    end_run(run, restated[run])
  end
end

-- Open or cancel a run in this call; ends it at once when nothing in it is live.
local function restate_run(run, state)
  restated[run] = state
  tallies[run] = tallies[run] or {}
  write('HSET', key('run', run), 'state', state, 'ended_ms', '0')
end

local function settle_runs()
  for run, tally in pairs(tallies) do
    settle_run(run, tally)
  end
end
