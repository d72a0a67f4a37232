-- Which objects have more items, or more references, in each dump than in the one before?
-- How objects are recognised in another dump, and how sure that is, is explained in docs/identity.md.
-- param dumps text = *: which dumps, in the order in which they were taken
-- param limit integer = 30: how many at most
-- column address: address of the object in the last dump
-- column type: its type
-- column name: its name, if it is a module, class or function; else null
-- column growth: items that came, from the first dump to the last; references where it has no items
-- column len_first: items in the first dump
-- column len_last: items in the last dump
-- column refs_first: references in the first dump
-- column refs_last: references in the last dump
-- column retained_last: bytes that would be freed with it, in the last dump
-- column held_by_type: type of the object that alone holds it in the last dump; null where none does
-- column confidence: how sure it is that it is the same object each time: high, medium or low
SELECT address, type, name, growth, len_first, len_last, refs_first, refs_last, retained_last, held_by_type, confidence
FROM growing_containers($dumps)
ORDER BY growth DESC, type, address
LIMIT $limit
