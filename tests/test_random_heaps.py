"""Random small heaps, written in every way a dump may be written, come back row by row."""

import pyarrow.parquet
import pytest

import heaps
import reading
from lake import Lake

N_HEAPS = 200


@pytest.fixture(scope="module")
def heap_lake(tmp_path_factory):
    """A lake of all the heaps: heap_0, heap_1, ..."""
    folder = tmp_path_factory.mktemp("random")
    files = []
    for seed in range(N_HEAPS):
        files.append(folder / f"heap-{seed}.dump")
        files[-1].write_bytes(heaps.text_of(heaps.random_heap(seed), seed))
    lake = Lake(folder / "lake")
    lake.ok("--quiet", "import", *files)
    return lake


def by_dump(rows):
    dumps = {f"heap_{seed}": [] for seed in range(N_HEAPS)}
    for dump, *row in rows:
        dumps[dump].append(tuple(row))
    return dumps


def expected(seed):
    return reading.Dump(heaps.random_heap(seed))


@pytest.mark.parametrize(
    "table, columns, rows_of",
    [
        ("obj", "address, type, name, value, size, len", lambda dump: map(tuple, dump.obj)),
        ("edge", "parent, child, idx", lambda dump: map(tuple, dump.edge)),
        ("root where kind = 'unreferenced'", "address", lambda dump: ((a,) for a in dump.unreferenced_roots)),
        ("type_stat", "type, count, size, max_size", lambda dump: ((name, *n) for name, n in dump.histogram().items())),
        ("issue", "kind", lambda dump: ()),
    ],
)
def test_every_table_of_every_heap(heap_lake, table, columns, rows_of):
    found = by_dump(heap_lake.sql(f"select dump, {columns} from history.{table}"))
    for seed in range(N_HEAPS):
        assert sorted(found[f"heap_{seed}"], key=repr) == sorted(rows_of(expected(seed)), key=repr), f"heap {seed}"


def test_the_manifests_count_right(heap_lake):
    rows = {row[0]: row[1:] for row in heap_lake.sql("select id, objects, edges, dangling, issues from dump")}
    assert len(rows) == N_HEAPS
    for seed in range(N_HEAPS):
        dump = expected(seed)
        assert rows[f"heap_{seed}"] == (len(dump.obj), len(dump.edge), dump.dangling, 0), f"heap {seed}"


def test_the_files_are_in_order(heap_lake):
    for seed in range(N_HEAPS):
        files = heap_lake.manifest(f"heap_{seed}")["files"]
        rows = {table: [] for table in ("obj", "edge")}
        for file in files:
            if file["table"] in rows:
                rows[file["table"]] += pyarrow.parquet.read_table(
                    heap_lake.path / file["path"], partitioning=None
                ).to_pylist()
        dump = expected(seed)
        assert [(o["type"], o["address"]) for o in rows["obj"]] == [(o.type, o.address) for o in dump.obj]
        assert [(e["parent"], e["idx"], e["child"]) for e in rows["edge"]] == [
            (e.parent, e.idx, e.child) for e in dump.edge
        ]


def test_the_lake_is_sound(heap_lake):
    heap_lake.assert_sound()
