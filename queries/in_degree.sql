-- Which objects have the most referrers?
-- param limit integer = 20: number of rows
-- column address: address of the object
-- column type: its type; null if it was never dumped
-- column name: its name, if it is a module, class or function; else null
-- column value: its value, if it is a text or a number; else null
-- column referrers: objects that refer to it
-- column refs: references that lead to it; more than referrers if some refer to it more than once
with pair as (
    select child, parent, count(*) as n
    from edge
    group by child, parent
),
degree as (
    select child, count(*) as referrers, sum(n) as refs
    from pair
    group by child
    order by referrers desc, refs desc, child
    limit $limit
)
select d.child as address, o.type, o.name, o.value, d.referrers, d.refs
from degree d
left join obj o on o.address = d.child
order by d.referrers desc, d.refs desc, d.child
