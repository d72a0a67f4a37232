-- Do all objects together take more than allowed?
-- param limit size = 1GiB: bytes of shallow size that the dump may have
-- column objects: objects
-- column size: sum of their shallow sizes in bytes
-- column allowed: the limit in bytes
SELECT objects, size, allowed
FROM (SELECT sum(count) AS objects, sum(size) AS size, $limit AS allowed FROM type_stat) AS total
WHERE size > allowed
