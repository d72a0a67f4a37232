"""Other engines read the lake without a plug-in, and see what Python's json module sees in the dump files."""

from collections import Counter

import duckdb
import polars
import pyarrow.dataset
import pytest

import reading

QUERIES = {
    "histogram": """
        select type, count(*) as n, sum(size) as size, max(size) as largest from {d}.obj group by type order by type""",
    "objects by length": "select len, count(*) from {d}.obj where len > 100 group by len order by len",
    "nulls": "select count(name), count(value), count(size), count(len) from {d}.obj",
    "values": "select address, value from {d}.obj where value like '%grade%' order by address",
    "out-degree": "select parent, count(*) as n from {d}.edge group by parent order by n desc, parent limit 50",
    "in-degree": "select child, count(*) as n from {d}.edge group by child order by n desc, child limit 50",
    "edges by type": """
        select p.type as parent, c.type as child, count(*) as n from {d}.edge e
        join {d}.obj p on p.address = e.parent join {d}.obj c on c.address = e.child
        group by p.type, c.type order by n desc, 1, 2""",
    "two hops": """
        select count(*) from {d}.edge a join {d}.edge b on b.parent = a.child
        join {d}.obj o on o.address = b.child where o.type = 'CombinedSystem'""",
    "parents of a type": """
        select distinct p.address, p.type from {d}.edge e join {d}.obj c on c.address = e.child
        join {d}.obj p on p.address = e.parent where c.type = 'CombinedSystem' order by p.address""",
    "dangling": "select count(*) from {d}.edge where child not in (select address from {d}.obj)",
    "unreferenced": """
        select o.address from {d}.obj o left join {d}.edge e on e.child = o.address
        where e.child is null order by o.address""",
    "one address": "select address, type, size from {d}.obj where address = (select max(address) from {d}.obj)",
}
DUMPS = [f"{python}-{n}" for python in ("py27", "py38") for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def duck(edx_lake):
    """DuckDB with a schema per dump over the lake's files."""
    duck = duckdb.connect()
    for dump in DUMPS:
        duck.execute(f'create schema "{dump}"')
        for table in ("obj", "edge", "root", "issue"):
            source = f"read_parquet('{edx_lake.glob(table)}', hive_partitioning = true, hive_types_autocast = false)"
            duck.execute(f"create view \"{dump}\".{table} as select * from {source} where dump = '{dump}'")
    return duck


@pytest.fixture(scope="module")
def truth(edx):
    """The dumps as Python's json module reads them."""
    return {name: reading.read(file) for name, file in edx.items()}


@pytest.mark.parametrize("dump", DUMPS)
def test_duckdb_sees_what_is_in_the_file(duck, truth, dump):
    rows = duck.execute(f'select address, type, name, value, size, len from "{dump}".obj').fetchall()
    assert Counter(rows) == Counter(map(tuple, truth[dump].obj))
    edges = duck.execute(f'select parent, child, idx from "{dump}".edge').fetchall()
    assert Counter(edges) == Counter(map(tuple, truth[dump].edge))
    roots = duck.execute(f'select address, kind from "{dump}".root order by address').fetchall()
    assert [a for a, kind in roots if kind == "unreferenced"] == truth[dump].unreferenced_roots


@pytest.mark.parametrize("dump", DUMPS)
def test_polars_sees_what_is_in_the_file(edx_lake, truth, dump):
    def scan(table):
        return polars.scan_parquet(edx_lake.glob(table), hive_partitioning=True).filter(polars.col("dump") == dump)

    counts = (
        scan("obj").group_by("type").agg(polars.len(), polars.col("size").sum(), polars.col("size").max().alias("max"))
    )
    assert {row[0]: row[1:] for row in counts.collect().rows()} == truth[dump].histogram()
    objects, edges = scan("obj"), scan("edge")
    dangling = (
        edges.join(objects, left_on="child", right_on="address", how="anti").select(polars.len()).collect().item()
    )
    assert dangling == truth[dump].dangling


@pytest.mark.parametrize("dump", DUMPS)
def test_pyarrow_sees_the_promised_order(edx_lake, truth, dump):
    def columns(table, *names):
        partitions = pyarrow.dataset.partitioning(pyarrow.schema([("dump", pyarrow.string())]), flavor="hive")
        data = pyarrow.dataset.dataset(edx_lake.path / table, partitioning=partitions)
        found = data.to_table(columns=list(names), filter=pyarrow.dataset.field("dump") == dump)
        return list(zip(*(found[name].to_pylist() for name in names)))

    assert columns("obj", "type", "address") == [(o.type, o.address) for o in truth[dump].obj]
    assert columns("edge", "parent", "idx", "child") == [(e.parent, e.idx, e.child) for e in truth[dump].edge]


@pytest.mark.parametrize("dump", DUMPS)
def test_the_manifest_counts_what_is_in_the_file(edx_lake, truth, dump):
    manifest, dump = edx_lake.manifest(dump), truth[dump]
    assert manifest["counts"] == {
        "objects": len(dump.obj),
        "edges": len(dump.edge),
        "dangling": dump.dangling,
        "unreferenced": len(dump.unreferenced),
        "bytes": sum(o.size for o in dump.obj),
        "types": len(dump.histogram()),
    }


@pytest.mark.parametrize("dump", DUMPS)
def test_foreign_readers_see_the_types_in_order(edx_lake, truth, dump):
    folder = edx_lake.path / f"type_stat/dump={dump}"
    rows = pyarrow.dataset.dataset(folder).to_table().to_pylist()
    assert {row["type"]: (row["count"], row["size"], row["max_size"]) for row in rows} == truth[dump].histogram()
    assert [row["type"].encode() for row in rows] == sorted(row["type"].encode() for row in rows)


@pytest.mark.parametrize("name", QUERIES)
def test_heaplake_and_duckdb_answer_alike(edx_lake, duck, name):
    for dump in ("py27-2", "py38-3"):
        query = QUERIES[name].format(d=f'"{dump}"')
        expected = duck.execute(query).fetchall()
        assert expected, "a query without an answer shows nothing"
        assert edx_lake.sql(query) == expected


def test_history_and_duckdb_answer_alike(edx_lake, duck):
    query = "select dump, count(*) as n, sum(size) as size from {} group by dump order by dump"
    source = f"read_parquet('{edx_lake.glob('obj')}', hive_partitioning = true)"
    expected = duck.execute(query.format(source)).fetchall()
    assert len(expected) == 6
    assert edx_lake.sql(query.format("history.obj")) == expected


def test_type_stat_is_the_histogram(edx_lake, truth):
    rows = edx_lake.sql("select dump, type, count, size, max_size from history.type_stat")
    expected = {(dump, name, *numbers) for dump in DUMPS for name, numbers in truth[dump].histogram().items()}
    assert set(rows) == expected and len(rows) == len(expected)


def test_edges_by_type_agree_with_the_file(edx_lake, truth):
    rows = edx_lake.sql(
        """select p.type, c.type as child, count(*) as n from "py38-2".edge e
           join "py38-2".obj p on p.address = e.parent left join "py38-2".obj c on c.address = e.child
           group by p.type, c.type"""
    )
    assert {(parent, child): n for parent, child, n in rows} == truth["py38-2"].edges_by_type()
