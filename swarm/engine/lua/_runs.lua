-- Counts of tasks by state in the run's hash, and the end of a run.
local tallies, restated

local LIVE = {'pending', 'queued', 'acked', 'running', 'merging'}
local IS_LIVE = {pending = true, queued = true, acked = true, running = true, merging = true}
local COUNTED = {
  'pending', 'queued', 'acked', 'running', 'merging',
  'done', 'failed', 'upstream_failed', 'cancelled', 'skipped',
}

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

local function end_run(run, state, counts)
  if state ~= 'cancelled' then
    state = 'done'
    if counts.failed + counts.upstream_failed > 0 then
      state = 'failed'
    elseif counts.cancelled > 0 then
      state = 'cancelled'
    end
  end
  write('HSET', key('run', run), 'state', state, 'ended_ms', now_text)
  write('SREM', key('active'), run)
  emit('run_ended', run, '', 'state', state)
end

local function settle_run(run, tally)
  local run_key = key('run', run)
  local names, is_ending = {}, restated[run]
  for state, change in pairs(tally) do
    if change ~= 0 then
      names[#names + 1] = state
    end
    is_ending = is_ending or not IS_LIVE[state]
  end
  if is_ending then
    names = COUNTED
  elseif #names == 0 then
    return
  end
  local values = read('HMGET', run_key, unpack(names))
  local counts, live = {}, 0
  for i, state in ipairs(names) do
    local change = tally[state] or 0
    counts[state] = tonumber(values[i] or 0) + change
    if change ~= 0 then
      write('HSET', run_key, state, number_text(counts[state]))
    end
  end
  if not is_ending then
    return
  end
  for _, state in ipairs(LIVE) do
    live = live + counts[state]
  end
  if live > 0 then
    return
  end
  local stored = read('HMGET', run_key, 'state', 'ended_ms')
  if restated[run] or stored[2] == '0' then
    end_run(run, restated[run] or stored[1], counts)
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
