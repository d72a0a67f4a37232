"""An import that is killed at any instant leaves the lake as it was; the next one works and clears up."""

import random
import time

import duckdb
import pytest

from lake import Lake

N_INSTANTS = 36
N_INSTANTS_REPLACING = 12


@pytest.fixture
def used_lake(lake, small_dump):
    """A lake with one dump in it, "old"."""
    lake.load(small_dump, "old")
    return lake


@pytest.fixture(scope="module")
def duration(big_dump, tmp_path_factory):
    """Seconds that an import of the big dump takes here: the shortest of three, as other tests run meanwhile."""
    took = []
    for _ in range(3):
        lake = Lake(tmp_path_factory.mktemp("duration") / "lake")
        start = time.monotonic()
        lake.load(big_dump)
        took.append(time.monotonic() - start)
    return min(took)


def instants(n, duration):
    """One instant in each n-th part of the duration."""
    chance = random.Random(n)
    return [(k + chance.random()) * duration / n for k in range(n)]


def is_seen(lake, sight):
    """Whether there is such a file. A folder may go while it is looked into."""
    try:
        return any(lake.path.glob(sight))
    except FileNotFoundError:
        return False


def kill_import(lake, big_dump, *options, after=0.0, sight=None):
    """Starts an import and kills it after a time, or at the sight of a file."""
    process = lake.start("import", "--dump", "big", *options, big_dump)
    try:
        time.sleep(after)
        while sight and process.poll() is None and not is_seen(lake, sight):
            pass
    finally:
        process.kill()
        process.communicate()


def rows_by_dump(lake):
    """What a foreign engine sees of the lake's folders."""
    source = f"read_parquet('{lake.glob('obj')}', hive_partitioning = true, hive_types_autocast = false)"
    query = f"select dump, count(*) from {source} group by dump"
    return dict(duckdb.connect().execute(query).fetchall())


def assert_next_import_works(lake, small_dump, expected):
    """The next import lands and sweeps away what was left."""
    lake.load(small_dump, "next", "--replace")
    lake.assert_sound()
    expected = expected | {"next": 1_000}
    assert rows_by_dump(lake) == expected
    assert dict(lake.sql("select dump, count(*) from history.obj group by dump")) == expected


def assert_before_or_after(lake, before, small_dump):
    """Nothing happened, or all of it: the kill came behind the commit. Returns whether it did."""
    content = lake.content()
    landed = "dumps/big.json" in content
    assert {name: content[name] for name in before} == before
    assert set(lake.dumps()) == ({"old", "big"} if landed else {"old"})
    expected = {"old": 1_000} | ({"big": 300_000} if landed else {})
    assert dict(lake.sql("select dump, count(*) from history.obj group by dump")) == expected
    assert_next_import_works(lake, small_dump, expected)
    return landed


@pytest.mark.slow
def test_killed_at_any_time(used_lake, big_dump, small_dump, duration):
    before, n_landed = used_lake.content(), 0
    for after in instants(N_INSTANTS, duration):
        kill_import(used_lake, big_dump, after=after)
        if assert_before_or_after(used_lake, before, small_dump):
            n_landed += 1
            used_lake.ok("rm", "big")
        used_lake.ok("rm", "next")
        assert used_lake.content() == before
    assert n_landed < N_INSTANTS / 2, "nearly every kill came too late to show anything"


@pytest.mark.parametrize(
    "sight",
    ["tmp/import-*/obj*", "tmp/journal.json", "*/dump=big", "edge/dump=big/*", "issue/dump=big/*", "dumps/big.json"],
)
def test_killed_in_the_middle_of_a_commit(used_lake, big_dump, small_dump, sight):
    before = used_lake.content()
    kill_import(used_lake, big_dump, sight=sight)
    landed = assert_before_or_after(used_lake, before, small_dump)
    assert landed or sight != "dumps/big.json", "a manifest was there, then it was not"


@pytest.mark.slow
def test_killed_while_it_replaces(used_lake, big_dump, small_dump, duration):
    used_lake.load(small_dump, "big")
    for after in instants(N_INSTANTS_REPLACING, duration):
        kill_import(used_lake, big_dump, "--replace", after=after)
        n_rows = used_lake.manifest("big")["counts"]["objects"]
        assert n_rows in (1_000, 300_000)
        assert used_lake.sql("select count(*) from big.obj") == [(n_rows,)]
        assert_next_import_works(used_lake, small_dump, {"old": 1_000, "big": n_rows})
        used_lake.load(small_dump, "big", "--replace")


def test_the_first_import_of_all_is_killed(lake, big_dump, small_dump):
    kill_import(lake, big_dump, sight="tmp/import-*")
    assert_next_import_works(lake, small_dump, {})


def test_a_removal_is_killed(used_lake, small_dump):
    for _ in range(10):
        used_lake.load(small_dump, "gone", "--replace")
        process = used_lake.start("rm", "gone")
        while process.poll() is None and (used_lake.path / "dumps/gone.json").exists():
            pass
        process.kill()
        process.communicate()
        gone = {} if "gone" not in used_lake.dumps() else {"gone": 1_000}
        assert_next_import_works(used_lake, small_dump, {"old": 1_000} | gone)
