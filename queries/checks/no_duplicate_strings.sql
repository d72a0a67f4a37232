-- Do copies of equal texts take more than allowed?
-- Texts count as equal as in the query duplicate_strings.
-- param limit size = 10MiB: how many bytes all copies but one may take together
-- column value: the text, or its first 100 characters
-- column copies: how often it is there
-- column wasted_bytes: size of all copies but one, in bytes
-- column total: the same of all texts
SELECT value, copies, wasted_bytes, total
FROM (
    SELECT value, count(*) AS copies, (count(*) - 1) * size AS wasted_bytes,
           sum((count(*) - 1) * size) OVER () AS total
    FROM obj
    WHERE type_is(dump, type, 'text') AND value IS NOT NULL AND size IS NOT NULL
    GROUP BY value, type, len, size
    HAVING count(*) > 1
) AS duplicates
WHERE total > $limit
ORDER BY wasted_bytes DESC, value, copies
