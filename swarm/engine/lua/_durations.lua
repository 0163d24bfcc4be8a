-- How long tasks of each type took, for ranks: one line a type of how many became done and for how many milliseconds
-- workers held them, all attempts together: a rank is how long those behind a task wait for it, and they wait for the
-- attempts that fail as well. It stands in the project's hash, which a claim reads and writes anyway.
local has_learnt

-- Reads before the first write of the call, so that what comes after cannot fail for it.
local learn
do
  -- The text that was read last, in parts: they hold for as long as it is the same.
  local known, lines, places, counts, sums = nil, {}, {}, {}, {}

  -- A line that says nothing is left out.
  local function take_apart(text)
    known, lines, places, counts, sums = text, {}, {}, {}, {}
    for _, line in ipairs(split_lines(text)) do
      local type, count, sum = string.match(line, '^(.+)\t(%d+)\t(%d+)$')
      if type then
        lines[#lines + 1] = line
        places[type], counts[type], sums[type] = #lines, tonumber(count), tonumber(sum)
      end
    end
  end

  function learn(type, ms)
    local text = read_meta()[3] or ''
    if text ~= known then
      take_apart(text)
    end
    local place = places[type] or #lines + 1
    -- The server's clock may have gone back.
    places[type], counts[type], sums[type] = place, (counts[type] or 0) + 1, (sums[type] or 0) + math.max(ms, 0)
    lines[place] = type .. '\t' .. number_text(counts[type]) .. '\t' .. number_text(sums[type])
    known = table.concat(lines, '\n') .. '\n'
    meta_read[3], has_learnt = known, true
  end
end

local function settle_durations()
  if has_learnt then
    has_learnt = false
    write_fields(key('meta'), {'durations', meta_read[3]})
  end
end
