-- Do objects that no root reaches take more than allowed?
-- Needs the graph index. Only cycles of garbage that were not collected yet hold them.
-- param limit size = 0B: how many bytes are allowed
-- column type: type
-- column count: objects of the type that no root reaches
-- column size: sum of their shallow sizes in bytes
-- column total: the same of all types
SELECT type, count, size, total
FROM (
    SELECT type, count(*) AS count, coalesce(sum(size), 0) AS size, sum(coalesce(sum(size), 0)) OVER () AS total
    FROM obj
    WHERE distance IS NULL AND retained IS NOT NULL
    GROUP BY type
) AS garbage
WHERE total > $limit
ORDER BY size DESC, type
