-- Work that may be larger than one script should do: a closure over dependents, a walk over a run.
-- What does not fit into a call's budget is left in `work`, one line an item: kind, name, place to go on
-- from. Whoever left it asks for more, and every reclaim tick does, so nothing is lost with its caller.
local BUDGET = 150
local budget, has_left_work

local function leave_work(kind, name, from)
  has_left_work = true
  write('RPUSH', key('work'), kind .. '\t' .. name .. '\t' .. from)
end
