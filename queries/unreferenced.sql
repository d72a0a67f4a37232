-- Which objects does no object refer to?
-- Something outside the heap keeps them: a frame, a global of a C module, or the program that wrote the dump. Weak
-- references do not count.
-- column type: type of the objects
-- column count: objects of the type that nothing in the dump refers to
-- column bytes: their shallow size together, in bytes; null if the dump gives none
-- column example: address of the largest of them
select o.type, count(*) as count, sum(o.size) as bytes,
       first_value(o.address order by o.size desc nulls last, o.address) as example
from root r
join obj o on o.address = r.address
where not exists (select 1 from edge e where e.child = r.address and e.kind = 'strong')
group by o.type
order by bytes desc nulls last, o.type
