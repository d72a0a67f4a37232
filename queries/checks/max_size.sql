-- Do the objects of a type take more than allowed?
-- param type type = *: which types; web.* or Session; without a dot the name without its module
-- param limit size = 100MiB: bytes of shallow size that a type may have
-- column type: type
-- column size: sum of the shallow sizes in bytes
-- column allowed: the limit in bytes
SELECT type, size, allowed
FROM (SELECT *, $limit AS allowed FROM type_stat) AS stat
WHERE type_matches($type, type) AND size > allowed
ORDER BY size DESC, type
