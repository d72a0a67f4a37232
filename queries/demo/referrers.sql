select hops, type, count(*) as objects
from parents('type = ''CombinedSystem''', 3)
group by hops, type
order by hops, objects desc, type
