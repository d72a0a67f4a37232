-- Which dicts, lists, sets and other collections hold the most items?
-- A collection is what has a length and is no text. Meliae gives no length for some, collections.deque among them;
-- these are not here.
-- param limit integer = 20: number of rows
-- column address: address of the collection
-- column type: its type
-- column len: number of items
-- column size: shallow size in bytes; null if the dump gives none
select address, type, len, size
from obj
where len is not null and not type_is(dump, type, 'text') and not type_is(dump, type, 'buffer')
order by len desc, size desc nulls last, address
limit $limit
