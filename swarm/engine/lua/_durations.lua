-- How long tasks of each type took, for ranks: one line a type of how many became done and for how many milliseconds
-- workers held them, all attempts together. It stands in the project's hash, which a claim reads and writes anyway.
local has_learnt

-- Reads before the first write of the call, so that what comes after cannot fail for it.
local function learn(type, ms)
  ms = math.max(ms, 0) -- the server's clock may have gone back
  local lines, named = read_meta()[3] or '', type .. '\t'
  local first, last = string.find(lines, named, 1, true)
  if first and first > 1 then
    first, last = string.find(lines, '\n' .. named, 1, true) -- not in the end of another type's name
  end
  if first then
    local count, sum, rest = string.match(lines, '^(%d+)\t(%d+)()', last + 1)
    meta_read[3] = string.sub(lines, 1, last) .. one_more(count) .. '\t' .. number_text(sum + ms) .. string.sub(lines, rest)
  else
    meta_read[3] = lines .. type .. '\t1\t' .. number_text(ms) .. '\n'
  end
  has_learnt = true
end

local function settle_durations()
  if has_learnt then
    has_learnt = false
    write_fields(key('meta'), {'durations', meta_read[3]})
  end
end
