-- Raise the counter that tokens come from to one that git has seen: Redis came back from an older copy of itself.
-- KEYS[1]  the project's key prefix
-- ARGV     token
-- Writes   meta
-- Returns  {'OK', the counter}
-- Flags: allow-oom
-- Moves: none
local token = number_text(math.max(tonumber(args[1]), tonumber(read_meta()[1] or 0)))
write_fields(key('meta'), {'fence', token})
return settle({'OK', token})
