-- Which types take the memory?
-- Sizes are shallow: of the objects alone, without what they refer to.
-- column type: type
-- column count: objects of the type
-- column bytes: their shallow size together, in bytes
-- column percent: their share of the bytes of all objects; null if these are 0
-- column cumulative_percent: share of this type and all above it together; null if all bytes are 0
-- column max_size: size of the largest of them, in bytes; null if the dump gives none
-- column retained: bytes that would be freed with all of them, at least; null without a graph index
select type, count, size as bytes,
       round(100.0 * size / nullif(sum(size) over (), 0), 1) as percent,
       round(100.0 * sum(size) over (order by size desc, type rows unbounded preceding)
             / nullif(sum(size) over (), 0), 1) as cumulative_percent,
       max_size, retained
from type_stat
order by size desc, type
