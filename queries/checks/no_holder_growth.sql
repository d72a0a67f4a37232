-- Does some container hold more than in the baseline, beyond a limit?
-- Needs --baseline. Containers are paths of types, see docs/warehouse.md; only those in which something grows are looked at,
-- not those around and inside.
-- param limit size = 1MiB: how many more bytes it may retain
-- param holder holder = *: which holders; * is any number of characters
-- column holder: types and names from the top of the dominator tree down
-- column count_delta: more objects
-- column retained_before: bytes retained in the baseline
-- column retained_after: bytes retained in the dump
-- column retained_delta: the difference
SELECT holder, count_delta, retained_before, retained_after, retained_delta
FROM diff('baseline', 'current', 'holder')
WHERE role = 'grows' AND retained_delta > $limit AND glob($holder, holder)
ORDER BY retained_delta DESC, holder
