-- Raise the counter that tokens come from to one that git has seen: Redis came back from an older copy of itself.
-- KEYS[1]  the project's key prefix
-- ARGV     token
-- Writes   fence
-- Returns  {'OK', the counter}
-- Flags: allow-oom
-- Moves: none
local token = math.max(tonumber(args[1]), tonumber(read('GET', key('fence')) or 0))
write('SET', key('fence'), number_text(token))
return settle({'OK', number_text(token)})
