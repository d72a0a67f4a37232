-- Is there a path that must not be?
-- A row is a path: the first one, or as many as the selector of the pattern asks for.
-- param pattern pattern = root ..> (x: * WHERE type = 'Leaked'): the path, in the path language
-- param limit integer = 100: how many paths are shown at most
-- column path_id: number of the path
-- column hops: its length
-- column path: the types from its beginning to its end
-- column address: address of the object at its end
SELECT path_id, max(hop) AS hops, string_agg(type, ' -> ' ORDER BY hop) AS path,
       last_value(address ORDER BY hop) AS address
FROM path($pattern)
GROUP BY path_id
ORDER BY path_id
LIMIT $limit
