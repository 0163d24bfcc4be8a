-- Take the most urgent claimable task with its lease and all of its locks, or none of it.
-- KEYS[1]  the project's key prefix
-- ARGV     worker, claim id, lease ms, executors (`,a,b,`), then pairs: type, place in its queue to look from.
--          One pair with type `*` stands for every known type.
-- Writes   task, queue, lot, lots, parked, leases, locks, reading, readers, wide, lock, fence, run, ops, events
-- Returns  {'OK', member, spec, attempt, token, base, branch, lease ms, evidence},
--          {'EMPTY', known types... when asked for `*`}, or {'AGAIN', pairs...}: call again with these
-- Moves: queued -> acked
local worker, claim_id, lease_ms, executors = unpack(args, 1, 4)
local TRIES, LOOKS = 16, 300

local function grant_answer(member, token)
  local task = read('HMGET', key('task', member), 'spec', 'attempt', 'base', 'evidence', 'token', 'state')
  if task[5] ~= token or (task[6] ~= 'acked' and task[6] ~= 'running') then
    return nil
  end
  local branch = read('HGET', key('run', string.match(member, '^[^/]*')), 'branch')
  local ends = redis.call('ZSCORE', key('leases'), member)
  local left = math.max((tonumber(ends) or now) - now, 0)
  return {'OK', member, task[1], task[2], token, task[3], branch, number_text(left), task[4] or ''}
end

local last = read('HGET', key('ops'), 'claim:' .. worker)
if last then
  local last_id, token, member = string.match(last, '^(%S+) (%d+) (.*)$')
  if last_id == claim_id then
    local again = grant_answer(member, token)
    if again then
      return again
    end
  end
end

local types, places, is_any = {}, {}, args[5] == '*'
if is_any then
  types = read('SMEMBERS', key('types'))
  table.sort(types)
else
  for i = 5, #args, 2 do
    types[#types + 1] = args[i]
    places[args[i]] = tonumber(args[i + 1])
  end
end

local function again()
  local answer = {'AGAIN'}
  for _, type in ipairs(types) do
    answer[#answer + 1] = type
    answer[#answer + 1] = number_text(places[type] or 0)
  end
  return answer
end

local due = read('ZRANGEBYSCORE', key('delayed'), '-inf', now_text, 'LIMIT', 0, 50)
if #due > 0 then
  for _, member in ipairs(due) do
    local task = read_task(member)
    write('ZREM', key('delayed'), member)
    if task and task.state == 'queued' and task.lot == '' then
      write('HSET', key('task', member), 'not_before_ms', '0')
      enqueue(member, task.type, task.executor, task.score)
    end
  end
  settle({})
  return again()
end

-- The head of each queue, from the place that was reached in it.
local heads = {}
local function look(type)
  local entry = read('ZRANGE', key('queue', type), places[type] or 0, places[type] or 0, 'WITHSCORES')
  heads[type] = entry[1] and {member = entry[1], score = tonumber(entry[2])} or nil
end

local function most_urgent()
  local best
  for _, type in ipairs(types) do
    if heads[type] and (not best or heads[type].score < heads[best].score) then
      best = type
    end
  end
  return best
end

local parked_at = {}

local function grant(task, entries, run)
  local detail = read('HMGET', key('task', task.member), 'spec', 'evidence', 'lock_wait_ms')
  local token, attempt = next_token(), number_text(tonumber(task.attempt) + 1)
  local waited = tonumber(detail[3] or 0)
  if task.parked_ms ~= '0' then
    waited = waited + now - tonumber(task.parked_ms)
  end
  write('ZREM', key('queue', task.type), task.member)
  write('ZADD', key('leases'), number_text(now + tonumber(lease_ms)), task.member)
  write('HSET', key('task', task.member), 'state', 'acked', 'token', token, 'attempt', attempt, 'worker', worker,
    'base', run[1], 'claimed_ms', now_text, 'lock_wait_ms', number_text(waited), 'parked_ms', '0', 'baton', '',
    'spent', '', 'started_ms', '0', 'handed_in_ms', '0', 'merge_begun_ms', '0')
  acquire_locks(entries)
  show_locks(entries, task.member, token, lease_ms)
  if task.baton ~= '' then
    passing[task.baton] = true
  end
  count_move(task.run, 'queued', 'acked')
  emit('task_claimed', task.run, task.id, 'state', 'acked', 'worker', worker, 'attempt', attempt,
    'token', token, 'base', run[1])
  write('HSET', key('ops'), 'claim:' .. worker, claim_id .. ' ' .. token .. ' ' .. task.member)
  return settle({'OK', task.member, detail[1], attempt, token, run[1], run[2], lease_ms, detail[2] or ''})
end

for _, type in ipairs(types) do
  look(type)
end
local tries, looks = 0, 0
while true do
  local type = most_urgent()
  if not type then
    break
  end
  looks = looks + 1
  local task = read_task(heads[type].member)
  local can_do = task and task.state == 'queued' and string.find(executors, ',' .. task.executor .. ',', 1, true)
  local run
  if can_do then
    run = read('HMGET', key('run', task.run), 'tip', 'branch', 'state')
    can_do = run[3] == 'active' or run[3] == 'loading'
  end
  if can_do then
    local entries = parse_locks(task.locks)
    local hold = find_blocker(entries)
    if not hold then
      return grant(task, entries, run)
    end
    park(task, hold)
    parked_at[type] = (parked_at[type] or 0) + 1
    if task.baton ~= '' then
      passing[task.baton] = true
    end
    tries = tries + 1
  end
  places[type] = (places[type] or 0) + 1
  if tries >= TRIES or looks >= LOOKS then
    settle({})
    -- Parked tasks have left their queues, so the places behind them have moved up.
    for parked_type, count in pairs(parked_at) do
      places[parked_type] = places[parked_type] - count
    end
    return again()
  end
  look(type)
end

if tries > 0 then
  settle({})
  if next(rung) then
    places = {}
    return again()
  end
end
for _, type in ipairs(types) do
  if read('ZCARD', key('queue', type)) == 0 then
    -- Nothing is left for these bells to announce; a token that stays would wake a worker for nothing.
    for executor in string.gmatch(executors, '[^,]+') do
      redis.call('DEL', key('bell', type .. ':' .. executor))
    end
  end
end
if is_any then
  return {'EMPTY', unpack(types)}
end
return {'EMPTY'}
