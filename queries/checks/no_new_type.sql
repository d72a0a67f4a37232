-- Are there types that the baseline does not have?
-- Needs --baseline.
-- param type type = *: which types; * is any number of characters
-- column type: type
-- column count: objects
-- column size: sum of their shallow sizes in bytes
SELECT type, count, size
FROM type_stat
WHERE glob($type, type) AND type NOT IN (SELECT type FROM baseline.type_stat)
ORDER BY size DESC, type
