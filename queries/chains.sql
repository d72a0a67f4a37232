-- Which types repeat along chains of objects, as in many leaks?
-- Needs the graph index. `heaplake chains` shows the same with the path from a root.
-- param min integer = 10: how often the types must repeat at least
-- column motif: the types that repeat, as a path pattern
-- column repeats: how often they repeat along the longest chain
-- column chains: how many objects begin such a chain
-- column objects: objects of the longest chain
-- column size: sum of their shallow sizes in bytes
-- column retained: bytes that would be freed with the head of the chain
-- column head: address of that head
-- column head_type: its type
-- column root_path: types from a root to the head; null where no root reaches it
SELECT motif, repeats, chains, objects, size, retained, head, head_type, root_path
FROM chains($min)
ORDER BY rank
