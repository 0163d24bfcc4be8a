-- A run's hash, read once a call; counts of its tasks by state; and its end.
local runs_read, tallies, restated

local RUN_FIELDS = {
  'state', 'tip', 'branch', 'ended_ms', 'tip_token', 'pending', 'queued', 'acked', 'running', 'merging',
  'done', 'failed', 'upstream_failed', 'cancelled', 'skipped', 'paused', 'fail_fast', 'stopping',
  'activated',
}

-- The fields of a run as this call has left them; empty of fields when there is no such run.
local function read_run(run)
  local stored = runs_read[run]
  if not stored then
    local v = read('HMGET', key('run', run), unpack(RUN_FIELDS))
    stored = {
      state = v[1] or nil, tip = v[2] or nil, branch = v[3] or nil, ended_ms = v[4] or nil, tip_token = v[5] or '0',
      pending = v[6] or '0', queued = v[7] or '0', acked = v[8] or '0', running = v[9] or '0', merging = v[10] or '0',
      done = v[11] or '0', failed = v[12] or '0', upstream_failed = v[13] or '0', cancelled = v[14] or '0',
      skipped = v[15] or '0', paused = v[16] or '', fail_fast = v[17] or '', stopping = v[18] or '0',
      activated = v[19] or '',
    }
    runs_read[run] = stored
  end
  return stored
end

local function write_run(run, field, value)
  read_run(run)[field] = value
  write_fields(key('run', run), {field, value})
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

local LIVE = {'pending', 'queued', 'acked', 'running', 'merging'}

-- How many of a run's tasks have not ended, after these moves if any.
local function count_live(stored, moves)
  local live = 0
  for i = 1, #LIVE do
    live = live + stored[LIVE[i]] + (moves and moves[LIVE[i]] or 0)
  end
  return live
end

local function end_run(run)
  local stored = read_run(run)
  if stored.ended_ms ~= '0' and not restated[run] then
    return
  end
  local state = 'done'
  if restated[run] == 'cancelled' or stored.state == 'cancelled' then
    state = 'cancelled'
  elseif tonumber(stored.failed) + tonumber(stored.upstream_failed) > 0 then
    state = 'failed'
  elseif tonumber(stored.cancelled) > 0 then
    state = 'cancelled'
  end
  write_run(run, 'state', state)
  write_run(run, 'ended_ms', now_text)
  write('SREM', key('active'), run)
  emit('run_ended', run, '', {'state', state})
end

local function settle_run(run, tally)
  local stored, changes = read_run(run), {}
  for state, change in pairs(tally) do
    if change ~= 0 then
      stored[state] = number_text(tonumber(stored[state]) + change)
      changes[#changes + 1] = state
      changes[#changes + 1] = stored[state]
    end
  end
  if #changes == 0 and not restated[run] then
    return
  end
  write_fields(key('run', run), changes)
  -- While a plan is being stored, the rest of it is still to come.
  if count_live(stored) == 0 and (stored.activated ~= '' or stored.state == 'cancelled') then
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
  if next(settled) then
    tallies = {}
    for run, tally in pairs(settled) do
      settle_run(run, tally)
    end
  end
  if next(restated) then
    restated = {}
  end
end

-- Counts may wait for the next commit of the same call, unless something ends by them. Each that would wait is proven:
-- what is no number is refused here, before that commit.
local function can_counts_wait()
  if next(restated) then
    return false
  end
  for run, tally in pairs(tallies) do
    local stored = read_run(run)
    if count_live(stored, tally) == 0 then
      return false
    end
    for state, change in pairs(tally) do
      local _ = stored[state] + change
    end
  end
  return true
end
