-- Do the objects of a type retain more than allowed?
-- Needs the graph index.
-- param type type = *: which types; web.* or Session; without a dot the name without its module
-- param limit size = 100MiB: bytes that a type may retain
-- column type: type
-- column count: objects
-- column retained: bytes that they retain together
-- column allowed: the limit in bytes
SELECT type, count, retained, allowed
FROM (SELECT *, $limit AS allowed FROM type_stat) AS stat
WHERE type_matches($type, type) AND retained > allowed
ORDER BY retained DESC, type
