-- Do all objects together take more than allowed, or does their process?
-- What the process has is known of captures; a limit for it is also violated where the dump does not say.
-- param limit size = 1GiB: bytes of shallow size that the dump may have
-- param process size = 0: bytes that the process may have, resident and swapped out; 0: any number
-- column objects: objects
-- column size: sum of their shallow sizes
-- column process: bytes that the process has; null: the dump does not say
-- column native: how many of them C code allocated and no object has
-- column allowed: the limit that is exceeded
SELECT objects, size, process, native, CASE WHEN size > allowed THEN allowed ELSE allowed_process END AS allowed
FROM (
    SELECT sum(count) AS objects, sum(size) AS size, $limit AS allowed, $process AS allowed_process FROM type_stat
) AS total
CROSS JOIN (SELECT total AS process, native FROM process_memory) AS memory
WHERE size > allowed OR (allowed_process > 0 AND coalesce(process > allowed_process, true))
