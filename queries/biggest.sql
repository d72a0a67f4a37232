-- Which objects retain most, and what holds each of them?
-- A big object in a big object is there twice; the one that holds it says so. Needs the graph index.
-- param limit integer = 30: how many at most
-- column address: address of the object
-- column type: its type
-- column name: its name, or what the program calls it; null where there is none
-- column size: its shallow size in bytes; null where the dump gives no usable one
-- column retained: bytes that would be freed with it, itself included
-- column percent: of the size of the dump
-- column retained_count: objects that would be freed with it, itself included
-- column root_kind: why it is a root; null where it is none
-- column held_by: address of its immediate dominator; null where no single object holds it
-- column held_by_type: type of that object; null likewise
-- column held_by_name: its name, or what the program calls it; null where there is none
-- column label: by which attribute, key or index it refers to the object; null where it does not itself
SELECT o.address, o.type, coalesce(o.name, program_name(o.address)) AS name, o.size, o.retained,
       round(100.0 * o.retained / nullif(whole.bytes, 0), 1) AS percent, o.retained_count, o.root_kind,
       o.idom AS held_by, h.type AS held_by_type, coalesce(h.name, program_name(o.idom)) AS held_by_name,
       label(o.idom, o.address) AS label
FROM (SELECT * FROM obj ORDER BY retained DESC NULLS LAST, address LIMIT $limit) AS o
LEFT JOIN obj AS h ON h.address = o.idom
CROSS JOIN (SELECT sum(size) AS bytes FROM type_stat) AS whole
ORDER BY o.retained DESC NULLS LAST, o.address
