-- A run's hash, read once a call; counts of its tasks by state; and its end.
local runs_read, tallies, restated

local RUN_FIELDS = {
  'state', 'tip', 'branch', 'live', 'ended_ms', 'tip_token', 'pending', 'queued', 'acked', 'running', 'merging',
  'done', 'failed', 'upstream_failed', 'cancelled', 'skipped',
}
local IS_LIVE = {pending = true, queued = true, acked = true, running = true, merging = true}
local IS_TERMINAL = {done = true, failed = true, upstream_failed = true, cancelled = true, skipped = true}

-- The fields of a run as this call has left them; empty of fields when there is no such run.
local function read_run(run)
  local stored = runs_read[run]
  if not stored then
    stored = {}
    for i, value in ipairs(read('HMGET', key('run', run), unpack(RUN_FIELDS))) do
      stored[RUN_FIELDS[i]] = value or nil
    end
    runs_read[run] = stored
  end
  return stored
end

local function write_run(run, field, value)
  read_run(run)[field] = value
  write('HSET', key('run', run), field, value)
end

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

local function live_change(tally)
  local change = 0
  for state, difference in pairs(tally) do
    if IS_LIVE[state] then
      change = change + difference
    end
  end
  return change
end

local function end_run(run)
  local stored = read_run(run)
  if stored.ended_ms ~= '0' and not restated[run] then
    return
  end
  local state = 'done'
  if restated[run] == 'cancelled' or stored.state == 'cancelled' then
    state = 'cancelled'
  elseif tonumber(stored.failed or 0) + tonumber(stored.upstream_failed or 0) > 0 then
    state = 'failed'
  elseif tonumber(stored.cancelled or 0) > 0 then
    state = 'cancelled'
  end
  write_run(run, 'state', state)
  write_run(run, 'ended_ms', now_text)
  write('SREM', key('active'), run)
  emit('run_ended', run, '', 'state', state)
end

local function settle_run(run, tally)
  local stored, has_changed = read_run(run), restated[run]
  for state, change in pairs(tally) do
    if change ~= 0 then
      write_run(run, state, number_text(tonumber(stored[state] or 0) + change))
      has_changed = true
    end
  end
  if not has_changed then
    return
  end
  local live = tonumber(stored.live or 0) + live_change(tally)
  write_run(run, 'live', number_text(live))
  if live == 0 then
    end_run(run)
  end
end

-- Open or cancel a run in this call; ends it at once when nothing in it is live.
local function restate_run(run, state)
  restated[run] = state
  tallies[run] = tallies[run] or {}
  write_run(run, 'state', state)
  write_run(run, 'ended_ms', '0')
end

local function settle_runs()
  local settled = tallies
  tallies = {}
  for run, tally in pairs(settled) do
    settle_run(run, tally)
  end
  restated = {}
end

-- Counts may wait for the next commit of the same call, unless something ends by them.
local function can_counts_wait()
  if next(restated) then
    return false
  end
  for run, tally in pairs(tallies) do
    if tonumber(read_run(run).live or 0) + live_change(tally) <= 0 then
      return false
    end
  end
  return true
end

local function copy_tallies()
  local copy = {}
  for run, tally in pairs(tallies) do
    copy[run] = {}
    for state, change in pairs(tally) do
      copy[run][state] = change
    end
  end
  return copy
end
