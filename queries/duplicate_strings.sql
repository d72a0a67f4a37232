-- Which texts are in memory more than once, and what do the copies cost?
-- Meliae cuts values at 100 characters. Equal means here: of the same type, length and size, and the same first 100
-- characters. Texts that are longer may differ after that, so these rows are upper bounds where len is over 100.
-- Copies of one text that differ in size stand in rows of their own.
-- param limit integer = 20: number of rows
-- column value: the text, or its first 100 characters
-- column type: type of the text
-- column len: length of the whole text; null if the dump gives none
-- column size: shallow size of one copy in bytes; null if the dump gives none
-- column copies: how often it is there, 2 or more
-- column wasted_bytes: size of all copies but one, in bytes; null if size is
select value, type, len, size, count(*) as copies, (count(*) - 1) * size as wasted_bytes
from obj
where type_is(dump, type, 'text') and value is not null
group by value, type, len, size
having count(*) > 1
order by wasted_bytes desc nulls last, copies desc, value, type, len, size
limit $limit
