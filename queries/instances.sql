-- How much do the instances of each class take together with their attributes?
-- In Python the attributes of an instance are in a dict of its own. A dict counts as part of an object here if exactly
-- one reference leads to it, and that is from this object; a dict of this kind in a slot counts as well. What has a
-- name (modules, classes, functions) or a length (containers) is no instance, and neither is the machinery of the
-- runtime (frames, cells, bound methods). Types of which no object has such a dict are left out: histogram has them.
-- column type: class of the instances
-- column count: its instances
-- column with_dict: those that have a dict of their own
-- column bytes: shallow size of the instances and their dicts, in bytes
-- column own_bytes: shallow size of the instances without their dicts, in bytes
with own_dict as (
    select min(e.parent) as parent, coalesce(min(d.size), 0) as size
    from obj d
    join edge e on e.child = d.address
    where type_is(d.dump, d.type, 'attributes')
    group by d.address
    having count(*) = 1
),
holder as (
    select parent, sum(size) as dict_bytes
    from own_dict
    group by parent
)
select o.type, count(*) as count, count(h.parent) as with_dict,
       coalesce(sum(o.size), 0) + coalesce(sum(h.dict_bytes), 0) as bytes,
       coalesce(sum(o.size), 0) as own_bytes
from obj o
left join holder h on h.parent = o.address
where o.name is null and o.len is null
  and not type_is(o.dump, o.type, 'internal')
group by o.type
having count(h.parent) > 0
order by bytes desc, o.type
