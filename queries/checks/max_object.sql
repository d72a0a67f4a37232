-- Does a single object retain more than allowed?
-- Needs the graph index. Modules are left out: they hold nearly everything.
-- param limit size = 100MiB: bytes that an object may retain
-- column address: address of the object
-- column type: its type
-- column retained: bytes that would be freed with it
-- column allowed: the limit in bytes
SELECT address, type, retained, allowed
FROM (SELECT *, $limit AS allowed FROM obj) AS o
WHERE retained > allowed AND NOT type_is(dump, type, 'module')
ORDER BY retained DESC, address
