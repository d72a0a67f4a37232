select id, taken, objects, edges, bytes
from dump
order by taken
