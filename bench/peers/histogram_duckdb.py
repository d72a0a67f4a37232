"""Counts and sums objects by type over the Parquet files of a lake with DuckDB, two threads.

usage: histogram_duckdb.py LAKE DUMP
"""
import sys

import duckdb

lake, dump = sys.argv[1:]
db = duckdb.connect(config={"threads": 2})
rows = db.execute(
    f"SELECT type, count(*), sum(size) AS bytes FROM read_parquet('{lake}/obj/dump={dump}/*.parquet')"
    " GROUP BY type ORDER BY bytes DESC, type"
).fetchall()
for row in rows:
    print(*row, sep=",")
