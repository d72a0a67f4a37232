-- Which containers hold most, as paths of types from the top down?
-- All objects with the same path of immediate dominators are one holder; what repeats is folded, (A -> B ->)+. What a
-- holder retains includes what those below it retain. Needs the graph index. See docs/warehouse.md.
-- param limit integer = 30: how many at most
-- column holder: types and names from the top of the dominator tree down to the objects
-- column count: objects with this path
-- column size: sum of their shallow sizes in bytes
-- column retained: bytes that would be freed with them
-- column retained_count: objects that would be freed with them
-- column percent: retained bytes of the size of the dump
SELECT h.holder, h.count, h.size, h.retained, h.retained_count,
       round(100.0 * h.retained / nullif(whole.bytes, 0), 1) AS percent
FROM holder_stat h CROSS JOIN (SELECT sum(size) AS bytes FROM type_stat) AS whole
ORDER BY h.retained DESC, h.depth, h.holder
LIMIT $limit
