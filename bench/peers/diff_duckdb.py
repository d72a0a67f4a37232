"""What became of every object of a dump in another, by type, over the Parquet files of a lake with DuckDB: a full outer
join of the two obj tables by type and address. Two threads.

usage: diff_duckdb.py LAKE BEFORE AFTER
"""
import sys

import duckdb

lake, before, after = sys.argv[1:]
db = duckdb.connect(config={"threads": 2})
rows = db.execute(f"""
    SELECT coalesce(a.type, b.type) AS type,
           count(*) FILTER (WHERE a.address IS NULL) AS new,
           count(*) FILTER (WHERE b.address IS NULL) AS gone,
           count(*) FILTER (WHERE a.name IS DISTINCT FROM b.name OR a.value IS DISTINCT FROM b.value
                            OR a.size IS DISTINCT FROM b.size OR a.len IS DISTINCT FROM b.len) AS other,
           sum(b.size) AS size_after, sum(a.size) AS size_before
    FROM read_parquet('{lake}/obj/dump={before}/*.parquet') a
    FULL OUTER JOIN read_parquet('{lake}/obj/dump={after}/*.parquet') b
        ON a.address = b.address AND a.type = b.type
    GROUP BY coalesce(a.type, b.type) ORDER BY type
""").fetchall()
for row in rows:
    print(*row, sep=",")
