-- How many containers hold nothing, or nearly nothing, and what do they take?
-- A container is what has a length and is no text. Meliae gives no length for some, collections.deque among them;
-- these are not here.
-- param max_len integer = 0: containers with up to so many items count
-- column type: type of the containers
-- column count: containers of at most that length
-- column bytes: their shallow size together, in bytes; null if the dump gives none
select type, count(*) as count, sum(size) as bytes
from obj
where len <= $max_len and not type_is(dump, type, 'text') and not type_is(dump, type, 'buffer')
group by type
order by bytes desc nulls last, type
