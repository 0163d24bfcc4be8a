-- Counts of tasks by state in the run's hash, and the end of a run.
local tallies, restated

local LIVE = {'pending', 'queued', 'acked', 'running', 'merging'}
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
  local values = read('HMGET', key('run', run), 'state', 'ended_ms', unpack(COUNTED))
  local counts, changed, live = {}, {'HSET', key('run', run)}, 0
  for i, state in ipairs(COUNTED) do
    counts[state] = tonumber(values[i + 2] or 0) + (tally[state] or 0)
    if tally[state] and tally[state] ~= 0 then
      changed[#changed + 1] = state
      changed[#changed + 1] = number_text(counts[state])
    end
  end
  if #changed > 2 then
    write(unpack(changed))
  end
  for _, state in ipairs(LIVE) do
    live = live + counts[state]
  end
  local state, has_ended = values[1], values[2] ~= '0'
  if restated[run] then
    state, has_ended = restated[run], false
  end
  if live == 0 and not has_ended then
    end_run(run, state, counts)
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
