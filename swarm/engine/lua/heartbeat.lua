-- Note that a worker or supervisor is alive; decides no lease.
-- KEYS[1]  the project's key prefix
-- ARGV     worker, kind, types, executors (both comma-separated), host, pid, state, task, attempts handed in or
--          finished, attempts failed, tags, why it cannot use the hub (empty: it can, as far as it knows)
-- Writes   agents, workers, agent, run, events
-- Returns  {'OK'}
-- Flags: allow-oom
-- Moves: none
local worker, kind, types, executors, host, pid, state, task, done, failed, tags, trouble = unpack(args)
local agent = key('agent', worker)
local stored = read('HMGET', agent, 'kind', 'hub_trouble')
local known, before = stored[1], stored[2] or ''
trouble = trouble or ''
write('ZADD', key('agents'), now_text, worker)
write_fields(agent, {'kind', kind, 'types', types, 'executors', executors, 'host', host, 'pid', pid,
  'state', state, 'task', task, 'done', done, 'failed', failed, 'tags', tags})
if not known then
  write_fields(agent, {'joined_ms', now_text})
  emit('worker_joined', '', '', {'worker', worker, 'kind_of_worker', kind, 'host', host, 'pid', pid})
end
if trouble ~= before then
  write_fields(agent, {'hub_trouble', trouble})
end
if (trouble == '') ~= (before == '') then
  write_fields(agent, {'hub_trouble_ms', trouble == '' and '0' or now_text})
  local run, id = string.match(task, '^([^/]*)/(.*)$')
  emit(trouble == '' and 'hub_back' or 'hub_away', run or '', id or '', {'worker', worker, 'reason', trouble})
end
if kind == 'worker' then
  local alive = read('ZCOUNT', key('workers'), number_text(now - ALIVE_MS), '+inf')
  if not read('ZSCORE', key('workers'), worker) then
    alive = alive + 1
  end
  write('ZADD', key('workers'), now_text, worker)
  for _, run in ipairs(read('SMEMBERS', key('active'))) do
    local most = tonumber(read('HGET', key('run', run), 'workers') or 0)
    if alive > most then
      write_fields(key('run', run), {'workers', number_text(alive)})
    end
  end
end
return settle({'OK'})
