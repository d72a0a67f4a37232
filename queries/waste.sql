-- How much memory could go without anything being lost, and what is it?
-- Upper bounds: texts count as equal as in duplicate_strings, and an empty container may be filled later. The kinds overlap
-- where garbage holds copies or containers. Room that is not used is known of captures alone, and counted where a container
-- has items; some of it is needed to be quick.
-- column kind: sort of waste
-- column objects: objects that could go
-- column bytes: their shallow size together, in bytes
-- column percent: of the size of the dump
-- column see: the query that lists them; null where there is none
WITH copies AS (
    SELECT dump, type, value, len, size, count(*) AS n
    FROM obj
    WHERE value IS NOT NULL
    GROUP BY dump, type, value, len, size
    HAVING count(*) > 1
), wasted AS (
    SELECT 'copies of texts' AS kind, 'duplicate_strings' AS see,
           coalesce(sum(n - 1), 0) AS objects, coalesce(sum((n - 1) * size), 0) AS bytes
    FROM copies
    WHERE type_is(dump, type, 'text')
    UNION ALL
    SELECT 'copies of numbers', NULL, coalesce(sum(n - 1), 0), coalesce(sum((n - 1) * size), 0)
    FROM copies
    WHERE type_is(dump, type, 'number')
    UNION ALL
    SELECT 'empty containers', 'empty_containers', count(*), coalesce(sum(size), 0)
    FROM obj
    WHERE len = 0 AND NOT type_is(dump, type, 'text') AND NOT type_is(dump, type, 'buffer')
    UNION ALL
    SELECT 'unused room of containers', 'unused_capacity', count(*), coalesce(sum(unused), 0)
    FROM (SELECT unused_bytes(dump, type, size, len) AS unused FROM obj WHERE type_is(dump, type, 'container') AND len > 0)
    WHERE unused > 0
    UNION ALL
    SELECT 'garbage that is not collected yet', 'unreachable', count(*), coalesce(sum(size), 0)
    FROM obj
    WHERE distance IS NULL AND retained IS NOT NULL
), whole AS (
    SELECT sum(size) AS bytes FROM type_stat
)
SELECT w.kind, w.objects, w.bytes, round(100.0 * w.bytes / nullif(whole.bytes, 0), 1) AS percent, w.see
FROM wasted w CROSS JOIN whole
ORDER BY w.bytes DESC, w.kind
