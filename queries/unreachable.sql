-- Which objects does no root reach but a cycle that holds itself: garbage that was not collected yet?
-- In captures, whose references are counted, it is garbage. In other dumps what only an extension module refers to looks the
-- same. Needs the graph index: without it nothing has a distance.
-- param limit integer = 50: how many types at most
-- column type: type of the objects
-- column count: number of objects
-- column size: sum of their shallow sizes in bytes
-- column cycles: how many of them are the first object of such a cycle
-- column example: lowest address of one of them
SELECT type,
       count(*) AS count,
       coalesce(sum(size), 0) AS size,
       count(*) FILTER (WHERE root_kind IN ('cycle', 'garbage')) AS cycles,
       min(address) AS example
FROM obj
WHERE distance IS NULL AND retained IS NOT NULL
GROUP BY type
ORDER BY size DESC, type
LIMIT $limit
