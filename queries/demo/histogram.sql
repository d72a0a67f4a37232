select type, count, size
from type_stat
order by size desc, type limit 8
