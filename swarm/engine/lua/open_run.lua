-- Create a run, or say how far it was loaded. Refuse another repository under the same project name.
-- KEYS[1]  the project's key prefix
-- ARGV     run, goal, branch, base, repository, schema, how many tasks it will have, name of its hub (empty: not
--          known), where that is
-- Writes   run, runs, active, meta, events
-- Returns  {'OK', state, chunks stored, age of its first task}, {'REFUSED', repository}, {'SCHEMA', schema of what is
--          stored} or {'LEAVING'} (tasks of a run of this id are still being removed)
-- Moves: none
local run, goal, branch, base, repository, schema, tasks, hub_id, hub = unpack(args)
local meta = key('meta')
local known = read('HMGET', meta, 'repository', 'schema', 'fence', 'types', 'durations', 'controls', 'turn', 'tasks')
if known[1] and known[1] ~= '' and repository ~= '' and known[1] ~= repository then
  return {'REFUSED', known[1]}
end
if known[2] and known[2] ~= schema then
  return {'SCHEMA', known[2]}
end
local run_key = key('run', run)
local stored = read('HMGET', run_key, 'state', 'chunks', 'age')
if stored[1] then
  return {'OK', stored[1], stored[2], stored[3]}
end
if read('ZCARD', key('index', run)) > 0 then
  return {'LEAVING'}
end
local workers = read('ZCOUNT', key('workers'), number_text(now - ALIVE_MS), '+inf')
-- What a claim reads comes first, because a small hash is searched from its beginning.
if not known[2] then
  write_fields(meta, {'fence', known[3] or '0', 'types', known[4] or '', 'durations', known[5] or '',
    'controls', known[6] or '', 'turn', known[7] or ''})
end
local age = known[8] or '0'
write_fields(meta, {'schema', schema, 'repository', known[1] or repository, 'epoch', epoch.id(),
  'tasks', number_text(tonumber(age) + tonumber(tasks))})
write_fields(run_key, {'state', 'loading', 'queued', '0', 'acked', '0', 'done', '0', 'tip', base,
  'branch', branch, 'pending', '0', 'running', '0', 'paused', '', 'stopping', '0', 'goal', goal, 'base', base, 'tip_token', '0',
  'submitted_ms', now_text, 'ended_ms', '0', 'workers', number_text(workers), 'chunks', '0', 'tasks', '0', 'age', age,
  'conflicts', '0', 'gate_failures', '0', 'interventions', '0', 'usage', NOTHING_SPENT, 'wasted', NOTHING_SPENT})
if hub_id and hub_id ~= '' then
  write_fields(run_key, {'hub_id', hub_id, 'hub', hub})
end
write('ZADD', key('runs'), now_text, run)
write('SADD', key('active'), run)
emit('run_submitted', run, '', {'state', 'loading', 'base', base, 'branch', branch, 'goal', goal})
return settle({'OK', 'loading', '0', age})
