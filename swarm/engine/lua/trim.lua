-- Drop events that an archive has; a few of the newest stay for whoever follows. One archive at a time: another one
-- is refused until the first has not been heard of for an hour. Said again, it changes nothing.
-- KEYS[1]  the project's key prefix
-- ARGV     archive, id of the last entry that it has, how many entries stay
-- Writes   meta, events
-- Returns  {'OK', entries left} or {'OTHER', the archive in charge}
-- Flags: allow-oom
-- Moves: none
local archive, upto, keep = args[1], args[2], tonumber(args[3])
local FORGOTTEN_MS, AT_ONCE = 3600000, 10000
local known = read('HMGET', key('meta'), 'archive', 'archived_ms')
if known[1] and known[1] ~= archive and now - tonumber(known[2] or 0) < FORGOTTEN_MS then
  return {'OTHER', known[1]}
end
if not string.match(upto, '^%d+%-%d+$') then
  error('not the id of an event: ' .. upto)
end
write_fields(key('meta'), {'archive', archive, 'archived_ms', now_text, 'archived_to', upto})
local length = read('XLEN', key('events'))
local spare = math.min(length - keep, AT_ONCE)
if spare > 0 then
  -- Whole nodes of the stream, and never more than are to spare.
  write_many('XTRIM', key('events'), {'MINID', '~', upto, 'LIMIT', number_text(spare)})
end
return settle({'OK', number_text(length)})
