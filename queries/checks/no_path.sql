-- Is there a path that must not be?
-- The columns are those of path(), see docs/paths.md; for paths these.
-- param pattern text = root ..> (x: * WHERE type = 'Leaked'): the path, in the path language
-- param limit integer = 100: how many hops are shown at most
-- column path_id: number of the path
-- column hop: number of the hop, from 0
-- column address: address of the object
-- column type: its type
SELECT path_id, hop, address, type
FROM path($pattern)
ORDER BY path_id, hop
LIMIT $limit
