-- What leaks, what holds it, and how sure is that?
-- Asks the newest dump with the earlier ones of its process, else of its service, else alone; docs/suspects.md says how it decides.
-- param confidence number = 0.5: suspects that are less sure are left out
-- param limit integer = 10: how many at most
-- column rank: from 1, the likeliest
-- column confidence: how sure it is, 0 to 1
-- column idiom: the name of the pattern
-- column holder: the expression by which the program reaches what must let go, else its path
-- column type: what accumulates
-- column count: how many there are
-- column count_growth: how many more than in the first dump; null for one dump
-- column retained: bytes that would be freed with the content
-- column retained_growth: how much more than in the first dump; null for one dump
-- column advice: what to do
SELECT rank, confidence, idiom, coalesce(held_by, holder_path) AS holder, type, count, count_growth, retained, retained_growth, advice
FROM suspects()
WHERE confidence >= $confidence
ORDER BY rank
LIMIT $limit
