-- Take the most urgent claimable task with its lease and all of its locks, or none of it.
-- KEYS[1]  the project's key prefix
-- ARGV     worker, claim id, lease ms, executors and tags (`,a,b,+t,`), then pairs: type, place in its queue to look from.
--          One pair with type `*` stands for every known type.
-- Writes   task, queue, delayed, bell, lot, lots, parked, leases, locks, reading, readers, wide, lock, meta, run, ops, events
-- Returns  {'OK', member, attempt, token, base, branch, lease ms, attempts to forget: one a line, spec, evidence},
--          {'EMPTY', the queues that were looked at...}, or {'AGAIN', pairs...}: call again with these
-- Moves: queued -> acked
return settle(claim_next(read_request(1)))
