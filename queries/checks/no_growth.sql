-- Did some types become more than in the baseline, beyond a slack?
-- Needs --baseline. Types that the baseline does not have are left out: no_new_type finds them.
-- param type type = *: which types; web.* or Session; without a dot the name without its module
-- param by count|size|retained = count: what must not grow
-- param slack percent = 0%: how much more is no growth yet
-- column type: type
-- column before: objects or bytes in the baseline
-- column after: objects or bytes in the dump
-- column delta: after minus before
-- column percent: delta of before
SELECT type, before, after, after - before AS delta,
       round(100.0 * (after - before) / nullif(before, 0), 1) AS percent
FROM (
    SELECT type, status, slack,
           CASE by WHEN 'count' THEN count_before WHEN 'size' THEN size_before ELSE retained_before END AS before,
           CASE by WHEN 'count' THEN count_after WHEN 'size' THEN size_after ELSE retained_after END AS after
    FROM (SELECT *, $by AS by, $slack AS slack FROM diff('baseline', 'current')) AS compared
) AS measured
WHERE type_matches($type, type) AND status <> 'new' AND after > before * (1 + slack)
ORDER BY delta DESC, type
