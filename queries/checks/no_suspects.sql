-- Does something leak, as far as the verdict is sure of it?
-- Asks the newest dump with the earlier ones of its process, else of its service, else alone; docs/suspects.md says how it decides.
-- param confidence number = 0.8: suspects that are less sure are no violation
-- param ignore text = '': holders that may grow, as held_by or holder_path has them; * is any number of characters
-- column confidence: how sure it is, 0 to 1
-- column idiom: the name of the pattern
-- column holder: the expression by which the program reaches what must let go, else its path
-- column type: what accumulates
-- column count: how many there are
-- column count_growth: how many more than in the first dump; null for one dump
-- column retained: bytes that would be freed with the content
-- column retained_growth: how much more than in the first dump; null for one dump
-- column advice: what to do
-- column accepted: why people live with it, when and who says so; such a suspect is no violation
SELECT confidence, idiom, coalesce(held_by, holder_path) AS holder, type, count, count_growth, retained, retained_growth, advice, accepted
FROM suspects()
WHERE confidence >= $confidence AND NOT glob($ignore, coalesce(held_by, '')) AND NOT glob($ignore, holder_path)
ORDER BY rank
