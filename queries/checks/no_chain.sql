-- Do types repeat along a chain of objects, as in many leaks?
-- Needs the graph index.
-- param min integer = 20: from how many repetitions on
-- column motif: the types that repeat, as a path pattern
-- column repeats: how often, along the longest chain
-- column objects: objects of that chain
-- column retained: bytes that would be freed with its head
-- column head: address of the head
SELECT motif, repeats, objects, retained, head
FROM chains($min)
ORDER BY rank
