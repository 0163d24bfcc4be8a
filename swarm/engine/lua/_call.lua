-- The call at hand: its arguments, the op id that it carries, the claim that its worker made last, and whether it
-- repeats a call that was answered before. `begin` resets all of it.
local call
local args_of_call
local operation, is_repetition
local claimed_last, claiming_run
