"""Converts a meliae dump to obj.parquet and edge.parquet with DuckDB: zstd, two threads.

usage: convert_duckdb.py DUMP OUT_DIR
"""
import pathlib
import sys

import duckdb

dump, out = sys.argv[1], pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
columns = {
    "address": "UBIGINT", "type": "VARCHAR", "name": "VARCHAR", "value": "VARCHAR",
    "size": "BIGINT", "len": "BIGINT", "refs": "UBIGINT[]",
}
db = duckdb.connect(config={"threads": 2, "memory_limit": "16GB"})
lines = db.read_json(dump, format="newline_delimited", columns=columns)
for table, select in {
    "obj": "SELECT address, type, name, value, size, len FROM lines",
    "edge": "SELECT address AS parent, unnest(refs) AS child FROM lines",
}.items():
    db.execute(f"COPY ({select}) TO '{out / table}.parquet' (FORMAT parquet, COMPRESSION zstd)")
