"""Converts a meliae dump to obj.parquet and edge.parquet with Polars' streaming engine: zstd.

usage: convert_polars.py DUMP OUT_DIR        (POLARS_MAX_THREADS says how many threads)
"""
import pathlib
import sys

import polars as pl

dump, out = sys.argv[1], pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
schema = {
    "address": pl.UInt64, "type": pl.String, "name": pl.String, "value": pl.String,
    "size": pl.Int64, "len": pl.Int64, "refs": pl.List(pl.UInt64),
}
lines = pl.scan_ndjson(dump, schema=schema)
lines.drop("refs").sink_parquet(out / "obj.parquet", compression="zstd")
edges = lines.select(parent="address", child="refs").explode("child").drop_nulls()
edges.sink_parquet(out / "edge.parquet", compression="zstd")
