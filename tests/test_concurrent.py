"""Several processes on one lake: nobody waits for readers, nobody sees half a dump."""

import json
import shutil
import subprocess

import duckdb
import pytest

N_PROCESSES = 4


def finish(processes):
    """Waits for all; exit codes and messages."""
    outputs = [process.communicate(timeout=120)[1].decode() for process in processes]
    return [(process.returncode, message) for process, message in zip(processes, outputs)]


def test_imports_at_once_all_land(lake, big_dump):
    names = [f"d{n}" for n in range(N_PROCESSES)]
    results = finish([lake.start("--quiet", "import", "--dump", name, big_dump) for name in names])
    assert results == [(0, "")] * N_PROCESSES
    assert sorted(lake.dumps()) == names
    assert lake.sql("select dump, count(*) as n from history.obj group by dump order by dump") == [
        (n, 300_000) for n in names
    ]
    lake.assert_sound()


def test_the_first_imports_of_a_lake_make_it_together(lake, small_dump):
    for _ in range(20):
        shutil.rmtree(lake.path, ignore_errors=True)
        names = [f"d{n}" for n in range(N_PROCESSES)]
        results = finish([lake.start("--quiet", "import", "--dump", name, small_dump) for name in names])
        assert results == [(0, "")] * N_PROCESSES
        assert sorted(lake.dumps()) == names


def test_of_imports_of_one_name_one_lands(lake, small_dump, big_dump):
    lake.load(small_dump, "other")
    results = finish([lake.start("--quiet", "import", "--dump", "same", big_dump) for _ in range(N_PROCESSES)])
    assert sorted(code for code, _ in results) == [0] + [2] * (N_PROCESSES - 1)
    for code, message in results:
        assert code == 0 or ("same already" in message and "--dump" in message and "--replace" in message)
    assert lake.sql("select count(*) from same.obj") == [(300_000,)]
    lake.assert_sound()


def test_replacements_at_once_leave_one(lake, small_dump, big_dump):
    lake.load(small_dump, "same")
    files = [small_dump, big_dump] * 2
    results = finish([lake.start("--quiet", "import", "--replace", "--dump", "same", file) for file in files])
    assert results == [(0, "")] * 4
    assert lake.sql("select count(*) from same.obj")[0][0] in (1_000, 300_000)
    lake.assert_sound()


QUESTION = "select d.id, (select count(*) from history.obj o where o.dump = d.id) as n from dump d"


class SlowReader:
    """A query whose rows are taken so slowly that it is still at work when the lake changes."""

    def __init__(self, lake, query):
        self.process = lake.start("sql", "--format", "csv", query)
        header = self.process.stdout.readline()
        assert header.startswith(b"dump,"), self.process.stderr.read()

    def rest(self):
        """The number of rows, once the query has ended well."""
        n_rows = self.process.stdout.read().count(b"\n")
        message = self.process.stderr.read().decode()
        assert self.process.wait(timeout=120) == 0, message
        return n_rows


CHANGES = {
    "import": lambda lake, small_dump: lake.load(small_dump, "another"),
    "replace": lambda lake, small_dump: lake.load(small_dump, "big", "--replace"),
    "rm": lambda lake, small_dump: lake.ok("rm", "big"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "query", ["select * from big.obj", "select * from history.edge order by child", "select * from history.obj"]
)
def test_a_running_query_answers_whole(lake, small_dump, big_dump, change, query):
    lake.load(small_dump, "little")
    lake.load(big_dump, "big")
    n_rows = lake.sql(f"select count(*) from ({query})")[0][0]
    assert n_rows >= 300_000
    slow = SlowReader(lake, query)
    CHANGES[change](lake, small_dump)
    assert slow.process.poll() is None, "the query was over before the lake changed"
    assert slow.rest() == n_rows
    lake.assert_sound()


@pytest.mark.slow
def test_readers_never_see_half_a_dump(lake, small_dump, big_dump):
    """While a dump comes, is replaced and goes, every question gets a whole answer."""
    lake.load(small_dump, "old")
    script = (
        "; ".join(["set -e", "for i in 1 2 3", "do"])
        + " "
        + " && ".join(
            subprocess.list2cmdline(lake.command("--quiet", *words))
            for words in (
                ["import", "--dump", "x", big_dump],
                ["import", "--replace", "--dump", "x", small_dump],
                ["rm", "x"],
            )
        )
        + "; done"
    )
    writer = subprocess.Popen(["bash", "-c", script])
    seen, n_answers, n_refused = set(), 0, 0
    try:
        while writer.poll() is None:
            answer = lake.run("sql", "--format", "json", QUESTION)
            if answer.returncode != 0:
                # An answer from before and after the change would be wrong; saying so is right.
                assert b"removed or replaced meanwhile" in answer.stderr
                n_refused += 1
                continue
            counts = {row["id"]: row["n"] for row in json.loads(answer.stdout)}
            n_answers += 1
            assert counts.pop("old") == 1_000
            assert counts in ({}, {"x": 1_000}, {"x": 300_000})
            seen.add(tuple(counts.values()))
    finally:
        assert writer.wait(timeout=120) == 0
    assert len(seen) > 1, "the questions were too slow to show anything"
    assert n_answers > n_refused
    assert duckdb.connect().execute(f"select count(*) from read_parquet('{lake.glob('obj')}')").fetchall() == [(1_000,)]
    lake.assert_sound()
