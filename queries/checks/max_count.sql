-- Are there more objects of a type than allowed?
-- param type type = *: which types; web.* or Session; without a dot the name without its module
-- param limit integer = 1000000: how many objects a type may have
-- column type: type
-- column count: objects
-- column allowed: the limit
SELECT type, count, allowed
FROM (SELECT *, $limit AS allowed FROM type_stat) AS stat
WHERE type_matches($type, type) AND count > allowed
ORDER BY count DESC, type
