-- Which types grow over the dumps of the lake, and since when?
-- Slope and shape are explained in docs/warehouse.md; `heaplake trend` shows the same.
-- param dumps text = *: which dumps
-- param metric text = size: what to follow: count, size or retained
-- param limit integer = 30: how many at most
-- column type: type
-- column shape: growing, stopped, unsteady, flat, falling or unknown
-- column first: value in the first dump
-- column last: value in the last dump
-- column delta: last minus first
-- column per_hour: slope; null where all dumps were taken at one time
-- column per_dump: slope
-- column began: dump from which on it is higher than ever before; null where it did not grow for good
SELECT type, shape, first, last, delta, per_hour, per_dump, began
FROM trend($dumps, 'type', $metric)
ORDER BY rank
LIMIT $limit
