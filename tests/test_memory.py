"""A memory limit is kept, and changes nothing of what is stored or answered."""

import pyarrow
import pyarrow.parquet
import pytest

import heaps
from lake import Lake

#: What a process needs besides the limit. An import: its code, threads' stacks, blocks on their way, row groups that
#: are being encoded. A query: DataFusion's pool counts sorts, joins and groups, but not what readers and writers of
#: Parquet hold.
IMPORT_OVERHEAD = 150_000_000
QUERY_OVERHEAD = 300_000_000
N_OBJECTS = 1_000_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def huge_dump(tmp_path_factory):
    return heaps.write_big(tmp_path_factory.mktemp("huge") / "huge.dump", N_OBJECTS)


@pytest.fixture(scope="module")
def huge_lake(huge_dump, tmp_path_factory):
    """The dump three times: imported with all the memory ("free"), with 64 MB, in which the index can be built if its largest
    arrays stay in its file ("tight"), and with 64 MB and without an index ("bare")."""
    lake = Lake(tmp_path_factory.mktemp("memory") / "lake")
    lake.load(huge_dump, "free")
    limit = ["--memory-limit", "64MB"]
    lake.peak_with_index = lake.peak("--quiet", "import", "--dump", "tight", *limit, huge_dump)
    lake.peak_of_import = lake.peak("--quiet", "import", "--dump", "bare", "--no-index", *limit, huge_dump)
    return lake


def rows(lake, dump, table):
    files = [file["path"] for file in lake.manifest(dump)["files"] if file["table"] == table]
    return pyarrow.concat_tables(pyarrow.parquet.read_table(lake.path / path, partitioning=None) for path in files)


def test_an_import_keeps_to_its_limit(huge_lake):
    assert huge_lake.peak_of_import < 64_000_000 + IMPORT_OVERHEAD


def test_an_import_with_an_index_keeps_to_its_limit(huge_lake):
    """What is mapped of the index file counts as memory of the process as long as the system has room for it."""
    (index,) = huge_lake.path.glob("index/dump=tight/*.graph")
    assert huge_lake.peak_with_index < 64_000_000 + IMPORT_OVERHEAD + index.stat().st_size


@pytest.mark.parametrize("table", ["obj", "edge", "root", "issue", "type_stat", "holder_stat", "module_stat"])
def test_the_same_rows_are_stored(huge_lake, table):
    free, tight = (rows(huge_lake, dump, table) for dump in ("free", "tight"))
    assert free.num_rows > 0 or table == "issue"
    assert free.equals(tight)
    if table in ["edge", "issue"]:
        assert free.equals(rows(huge_lake, "bare", table))


def test_nothing_is_left_of_the_temporary_files(huge_lake):
    huge_lake.assert_sound()
    manifests = [huge_lake.manifest(dump) for dump in ("free", "tight", "bare")]
    assert manifests[0]["counts"] == manifests[1]["counts"] == manifests[2]["counts"]
    assert [manifest["indexed"] for manifest in manifests] == [True, True, False]


def test_a_query_keeps_to_its_limit(huge_lake, tmp_path):
    """Sorting and grouping a million rows with text: more than the limit, so they use temporary files."""
    queries = {
        "sorted": "select * from free.obj order by value desc, address",
        "grouped": "select child, count(*) as n from free.edge group by child order by n desc, child",
    }
    for name, query in queries.items():
        limited, unlimited = tmp_path / f"{name}-limited.parquet", tmp_path / f"{name}.parquet"
        used = huge_lake.peak("--quiet", "sql", "--memory-limit", "128MB", "-o", limited, query)
        huge_lake.ok("sql", "-o", unlimited, query)
        assert used < 128_000_000 + QUERY_OVERHEAD, name
        assert pyarrow.parquet.read_table(limited).equals(pyarrow.parquet.read_table(unlimited)), name


def test_a_query_that_cannot_keep_to_its_limit_says_so(huge_lake):
    message = huge_lake.fails(
        "sql", "--memory-limit", "16MB", "select array_agg(value) as v, array_agg(address) as a from free.obj"
    )
    assert "--memory-limit" in message


#: Patterns over 300,000 objects that reach nearly all of them, and whose answers are small.
FAR = [
    "REACH app.Class3 ..> app.Class17",
    "REACH app.Class17 <.. app.Class3",
    "app.Class3 ..> app.Class5 ..> app.Class17",
    "app.Class3 ..> (x: app.Class17) PER x",
    "ALL SHORTEST app.Class3 ..> (x: app.Class17) PER x",
    # Up and down, from all that the first hops reach.
    "REACH app.Class3 ..> str <- tuple -> app.Class17",
]


@pytest.fixture(scope="module")
def big_lake(big_dump, tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("paths") / "lake")
    lake.load(big_dump, "big")
    return lake


@pytest.mark.parametrize("pattern", FAR)
def test_paths_by_joins_hold_only_what_leads_to_an_end(big_lake, pattern):
    """All that these come by is more than the limit: 300,000 objects of 100 bytes, and about 900,000 references of 60."""
    by_index = big_lake.ok("path", "--format", "csv", pattern)
    assert len(by_index.splitlines()) > 5
    assert big_lake.ok("path", "--plan", "join", "--memory-limit", "48MB", "--format", "csv", pattern) == by_index
    big_lake.assert_sound()
