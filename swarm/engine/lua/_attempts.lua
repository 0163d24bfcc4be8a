-- The end of an attempt that did not land: back to the queue, or failed with its dependents.
local fail_attempt, reclaim_task

-- What the caller of `fail` and `send_back` says about a failure.
local function read_failure(from)
  local failure = {}
  for i, name in ipairs({'kind', 'reason', 'evidence', 'charged', 'retryable', 'base_ms', 'cap_ms', 'spread'}) do
    failure[name] = args_of_call[from + i - 1]
  end
  return failure
end

local function fail_for_good(task, reason, kind)
  end_task(task, 'failed')
  bury(task)
  if task.skipped_ms == '0' then
    doom_dependents(task.member, 0, history.below('failed', task.id, reason))
  end
  -- Nothing was found wrong with what waits for approval.
  if kind ~= 'approval' and read_run(task.run).fail_fast ~= '' then
    orders.stop_at(task.id, task.run)
  end
end

do
local SETBACK_CAP = 8

local function count_on_run(run, field)
  local run_key = key('run', run)
  write_fields(run_key, {field, number_text(tonumber(read('HGET', run_key, field) or 0) + 1)})
end

-- Returns the state the task is in afterwards.
function fail_attempt(task, event, failure, spent)
  local stored = read('HMGET', key('task', task.member), 'failures', 'max_attempts', 'setbacks', 'tried_by')
  local failures = tonumber(stored[1] or 0) + tonumber(failure.charged)
  -- Nobody's fault is not for ever: a provider or a disk that stays away must not keep a run from ending.
  local setbacks = tonumber(stored[3] or 0) + 1 - tonumber(failure.charged)
  local is_final = failure.retryable ~= '1' or failure.kind == 'policy' or failures >= tonumber(stored[2])
    or setbacks >= SETBACK_CAP
  void_token(task)
  settle_usage(task, spent, false)
  write_fields(key('task', task.member), {'failures', number_text(failures), 'setbacks', number_text(setbacks),
    'failure_kind', failure.kind, 'failure_reason', failure.reason, 'evidence', failure.evidence})
  -- A conflict is nobody's: what landed meanwhile would have met any worker.
  if failure.kind ~= 'conflict' then
    local before = stored[4] or ''
    write_fields(key('task', task.member), {'tried_by', before == '' and task.worker or before .. '\n' .. task.worker})
  end
  if failure.kind == 'conflict' then
    count_on_run(task.run, 'conflicts')
  elseif failure.kind == 'gate_failed' then
    count_on_run(task.run, 'gate_failures')
  end
  local state = is_final and 'failed' or 'queued'
  history.add(task, failure.kind, failure.reason, failure.retryable == '1' and failure.kind ~= 'policy', state)
  emit(is_final and 'task_failed' or event, task.run, task.id, {'state', state, 'kind_of_failure', failure.kind,
    'reason', failure.reason, 'attempt', task.attempt, 'worker', task.worker, 'failures', number_text(failures),
    'setbacks', number_text(setbacks)})
  if is_final then
    fail_for_good(task, failure.reason, failure.kind)
  else
    -- A conflict is waited out by taking the newer base, not by time.
    local wait_ms = failure.kind == 'conflict' and 0
      or backoff_ms(task, failure.base_ms, failure.cap_ms, failure.spread)
    queue_again(task, wait_ms)
  end
  return state
end

local CRASH_CAP, CRASH_WINDOW_MS = 3, 72 * 3600 * 1000

-- When the task's workers vanished: those of the last 72 hours, this one among them. A long run loses a worker now
-- and then; a task that kills its workers loses them in a row.
local function note_crash(task)
  local times = {}
  for time in string.gmatch(read('HGET', key('task', task.member), 'crashed_ms') or '', '%d+') do
    if now - tonumber(time) < CRASH_WINDOW_MS then
      times[#times + 1] = time
    end
  end
  times[#times + 1] = now_text
  write_fields(key('task', task.member), {'crashes', number_text(#times), 'crashed_ms', table.concat(times, ' ')})
  return #times
end

-- The worker vanished: crashes are counted apart from failures. Returns the state afterwards.
function reclaim_task(task, reason, lease_ms)
  local crashes = note_crash(task)
  orders.bound_hold(task, tonumber(lease_ms))
  void_token(task)
  settle_usage(task, '', false)
  write_fields(key('task', task.member), {'failure_kind', 'crash', 'failure_reason', reason})
  local state = crashes >= CRASH_CAP and 'failed' or 'queued'
  history.add(task, 'crash', reason, true, state)
  emit('task_reclaimed', task.run, task.id, {'state', state, 'worker', task.worker, 'attempt', task.attempt,
    'crashes', number_text(crashes), 'reason', reason})
  if state == 'failed' then
    fail_for_good(task, reason)
  else
    queue_again(task, 0)
  end
  return state
end

end

-- The landing of an attempt, or the end of one that had nothing to land.
local function finish_task(task, spent, commit, tip_token, tip, red_advisory, gates_hollow)
  if is_held_state(task.state) then
    learn(ability.base_type(task.type), tonumber(busy_ms(task)))
    void_token(task)
  elseif task.state == 'queued' then
    leave_queue(task)
  end
  settle_usage(task, spent, true)
  end_task(task, 'done')
  local task_key = key('task', task.member)
  if commit ~= '' then
    write_fields(task_key, {'merged_commit', commit})
  end
  if task.attempt ~= '1' or not is_held_state(task.state) then
    write_fields(task_key, {'failure_kind', '', 'failure_reason', '', 'needs_person', '0'})
  end
  if tip_token ~= '' and tonumber(tip_token) > tonumber(read_run(task.run).tip_token or 0) then
    write_run(task.run, 'tip', tip or commit)
    write_run(task.run, 'tip_token', tip_token)
  end
  -- What was skipped has triggered its dependents already.
  local queued = task.skipped_ms ~= '0' and {} or trigger_dependents(task.run, task.id, 0, task.dependents)
  local told_of = {'state', 'done', 'attempt', task.attempt, 'worker', task.worker}
  if commit ~= '' then
    told_of[#told_of + 1], told_of[#told_of + 2] = 'commit', commit
  end
  if #queued > 0 then
    told_of[#told_of + 1], told_of[#told_of + 2] = 'queued', table.concat(queued, '\n')
  end
  for _, said in ipairs({{'red_advisory', red_advisory}, {'gates_hollow', gates_hollow}}) do
    if (said[2] or '') ~= '' then
      told_of[#told_of + 1], told_of[#told_of + 2] = said[1], said[2]
    end
  end
  emit('task_done', task.run, task.id, told_of)
  if task.join ~= '' then
    expansion.skip_parts(task.member) -- git proves that it landed itself
  end
  return expansion.finish_ripe(queued)
end
