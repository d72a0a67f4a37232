-- What grew between two dumps?
-- `heaplake diff` shows the same; see docs/warehouse.md.
-- param before dump = latest~1: the earlier dump
-- param after dump = latest: the later dump
-- param limit integer = 30: how many at most
-- column type: type
-- column status: new, gone, grown, shrunk or same
-- column count_before: objects in the earlier dump
-- column count_after: objects in the later dump
-- column count_delta: the difference
-- column size_delta: more bytes of shallow size
-- column retained_delta: more bytes retained; null where a dump has no graph index
SELECT type, status, count_before, count_after, count_delta, size_delta, retained_delta
FROM diff($before, $after)
ORDER BY rank
LIMIT $limit
