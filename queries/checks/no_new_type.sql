-- Are there types that the baseline does not have?
-- Needs --baseline.
-- param type type = *: which types; web.* or Session; without a dot the name without its module
-- column type: type
-- column count: objects
-- column size: sum of their shallow sizes in bytes
SELECT type, count_after AS count, size_after AS size
FROM diff('baseline', 'current')
WHERE type_matches($type, type) AND status = 'new'
ORDER BY size DESC, type
