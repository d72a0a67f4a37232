-- Which dicts, lists and sets have room for many items that they do not have?
-- The room is what the shallow size and the rules of the version of Python say, see capacity in docs/functions.md. A container that
-- is emptied keeps its room. Only of captures, which say the version.
-- param limit integer = 30: how many at most
-- column address: address of the container
-- column type: its type
-- column name: what the program calls it; null where there is none
-- column len: number of items
-- column capacity: items that it has room for before it must grow
-- column fill: percent of the room that is used; null where there is no room
-- column size: its shallow size in bytes
-- column unused: bytes of the room that is not used
SELECT w.address, w.type, program_name(w.address) AS name, w.len, w.capacity,
       round(100.0 * w.len / nullif(w.capacity, 0), 1) AS fill, w.size, w.unused
FROM (
    SELECT address, type, len, size, capacity(dump, type, size, len) AS capacity,
           unused_bytes(dump, type, size, len) AS unused
    FROM obj
    WHERE type_is(dump, type, 'container')
    ORDER BY unused DESC NULLS LAST, address LIMIT $limit
) AS w
WHERE w.capacity IS NOT NULL
ORDER BY w.unused DESC, w.address
