-- Which threads are there, what do they run, and what does each frame and local variable keep alive?
-- A line for each thread, then one for each of its frames, the innermost first, each followed by its local variables, or by the
-- objects that they refer to where the dump does not name them. What a thread retains is what its frames and itself hold; what
-- several of them share is in none. Needs the graph index.
-- empty: nothing in the dump says which thread it is of; captures and HPROF name threads, meliae's dumps do not
-- param thread text = *: which threads, * is any text
-- column thread: name of the thread
-- column frame: number of the frame, from 0, the one that runs; null for the thread itself and for what else it holds
-- column function: the function that the frame runs; null for other lines
-- column line: file and line; null likewise
-- column local: name of the local variable; null for other lines
-- column address: address of the frame or object; null for the thread itself, and where frames are not objects
-- column type: its type; null likewise
-- column name: the object's name; null where there is none
-- column size: its shallow size in bytes; for the thread that of its frames and of what else it holds
-- column retained: bytes that would be freed with it, itself included
-- column state: what the thread does, as its runtime calls it; null for other lines, and where the dump does not say
WITH stacks AS (
    SELECT name AS thread, min(state) AS state, min(string_to_array(stack, chr(10))) AS stack
    FROM thread GROUP BY name
), held AS (
    SELECT t.thread, coalesce(t.frame, array_position(s.stack, t.function) - 1) AS frame, t.address, t.type, t.size,
           t.retained, o.name, o.value, type_is(o.dump, o.type, 'frame') AS is_frame
    FROM threads() t JOIN obj o ON o.address = t.address LEFT JOIN stacks s ON s.thread = t.thread
), frames AS (
    SELECT f.thread, f.frame, f.stack[f.frame + 1] AS words
    FROM (SELECT thread, stack, unnest(range(0, cardinality(stack))) AS frame FROM stacks) f
    LEFT ANTI JOIN held h ON h.thread = f.thread AND h.is_frame
), lines AS (
    SELECT coalesce(h.thread, s.thread) AS thread, NULL AS frame, 0 AS part, NULL AS function, NULL AS line, NULL AS local,
           NULL AS address, NULL AS type, NULL AS name, sum(coalesce(h.size, 0)) AS size,
           sum(coalesce(h.retained, 0)) AS retained, min(s.state) AS state
    FROM held h FULL JOIN stacks s ON s.thread = h.thread GROUP BY 1
    UNION ALL
    SELECT f.thread, f.frame, 1, split_part(f.words, '(', 1), rtrim(split_part(f.words, '(', 2), ')'), NULL, NULL, NULL, NULL,
           sum(coalesce(h.size, 0)), sum(coalesce(h.retained, 0)), NULL
    FROM frames f LEFT JOIN held h ON h.thread = f.thread AND h.frame = f.frame GROUP BY f.thread, f.frame, f.words
    UNION ALL
    SELECT thread, frame, CASE WHEN is_frame THEN 1 WHEN frame IS NULL THEN 3 ELSE 2 END, CASE WHEN is_frame THEN name END,
           CASE WHEN is_frame THEN value END, NULL, address, type, CASE WHEN NOT is_frame THEN name END, size, retained, NULL
    FROM held
    UNION ALL
    SELECT h.thread, h.frame, 2, NULL, NULL, e.label, o.address, o.type, coalesce(o.name, program_name(o.address)),
           o.size, o.retained, NULL
    FROM held h JOIN edge e ON e.parent = h.address JOIN obj o ON o.address = e.child
    WHERE h.is_frame AND left(e.label, 1) NOT IN ('.', '[', '<', '(')
)
SELECT l.thread, l.frame, l.function, l.line, l.local, l.address, l.type, l.name, l.size, l.retained, l.state
FROM lines l JOIN lines t ON t.thread = l.thread AND t.part = 0
WHERE glob($thread, l.thread)
ORDER BY t.retained DESC, l.thread, CASE l.part WHEN 0 THEN 0 WHEN 3 THEN 2 ELSE 1 END, l.frame, l.part,
         l.retained DESC, l.local, l.address
