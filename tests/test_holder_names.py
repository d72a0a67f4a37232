"""Holders' names in captures of real programs: what several things refer to has a name of its own, the same in every process."""

import pytest

from capturing import TIMEOUT, pythons, start
from lake import Lake

PROGRAM = """
import logging, os, sys, threading
import heaplake_dump

class Histogram:
    def __init__(self, n):
        self.buckets = [bytes(n)]
        REGISTRY.known.append(self)

class Registry:
    def __init__(self):
        self.known = []
        self.room = bytearray(1000)

class Server:
    def __init__(self):
        self.pending = {i: bytes(100) for i in range(500)}
        self.room = bytearray(1000)
    def drain(self): pass

class Pool:
    shared = Registry()

class User:
    def __init__(self): self.pool = Pool.shared

junk = [object() for _ in range(int(sys.argv[2]))]   # other addresses
logging.registry = REGISTRY = Registry()
LATENCY, QUEUE, COST, SIZE = Histogram(1000), Histogram(2000), Histogram(3000), Histogram(4000)
METRICS = {"requests": Histogram(5000), "errors": Histogram(6000)}
MANY = {"user%d" % i: Histogram(10) for i in range(40)}
server, user = Server(), User()
logging.on_reload = server.drain
logging.pools = [Pool.shared]

def serve():
    work = server.pending
    heaplake_dump.dump(sys.argv[1])

serve()
"""

PYTHONS = sorted(pythons().items())


@pytest.fixture(scope="module", params=PYTHONS, ids=[version for version, _ in PYTHONS])
def lake(request, tmp_path_factory):
    """A lake with two captures of the program, of processes with other hashes and other addresses."""
    folder = tmp_path_factory.mktemp("holders")
    lake = Lake(folder / "lake")
    for name, n_junk in [("one", 0), ("two", 30011)]:
        process = start(request.param[1], PROGRAM, folder / f"{name}.dump.gz", n_junk)
        _, error = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, error) == (0, b"")
        lake.load(folder / f"{name}.dump.gz", name)
    return lake


def last_elements(lake, dump):
    """By last element of a holder that several hold or that is below one, objects and path."""
    rows = lake.sql(f"select type, count, holder from {dump}.holder_stat")
    return {element: (count, holder) for element, count, holder in rows if holder.startswith("(several) -> ")}


def test_four_histograms_of_a_program_are_four_holders(lake):
    found = last_elements(lake, "one")
    for name in ("LATENCY", "QUEUE", "COST", "SIZE"):
        count, holder = found[f"__main__.Histogram __main__.{name}"]
        assert (count, holder) == (1, f"(several) -> __main__.Histogram __main__.{name}")
        # What is below has its name, too.
        assert any(path.startswith(holder) and path.endswith("list buckets -> bytes") for path in holders(lake, "one"))
    # Items of a small global table have their keys, those of a large one are data.
    assert found["__main__.Histogram requests"][0] == found["__main__.Histogram errors"][0] == 1
    assert found["__main__.Histogram"][0] == 40
    assert not any("user3" in path for path in holders(lake, "one"))


def holders(lake, dump):
    return {holder for holder, in lake.sql(f"select holder from {dump}.holder_stat")}


def test_what_a_local_or_a_method_holds_beside_its_owner_has_the_name_that_the_owner_has_for_it(lake):
    found = last_elements(lake, "one")
    assert found["__main__.Server __main__.server"][0] == 1
    assert found["dict Server.pending"][0] == 1
    assert found["__main__.Registry Pool.shared"][0] == 1
    # The module that is run comes last: a global of a module that it imports says more.
    assert found["__main__.Registry logging.registry"][0] == 1 and "__main__.Registry __main__.REGISTRY" not in found


def test_names_are_the_same_in_another_process(lake):
    def named(dump):
        return {path for path in holders(lake, dump) if "__main__." in path and "list junk" not in path}

    assert len(named("one")) > 10 and named("one") == named("two")
    changed = lake.sql(
        "select holder from diff('one', 'two', 'holder') "
        "where holder like '%__main__.Histogram%' and (count_delta <> 0 or retained_delta <> 0)"
    )
    assert changed == []


def test_sql_and_top_say_the_same_name_as_the_holders(lake):
    rows = lake.sql(
        "select type || coalesce(' ' || program_name(address, 'one'), '') as named, count(*) from one.obj o "
        "where type like '__main__.%' group by 1"
    )
    elements = {}
    for element, count, _ in lake.sql("select type, count, holder from one.holder_stat where type like '__main__.%'"):
        elements[element] = elements.get(element, 0) + count
    # Of many holders the smallest are summed up without their names.
    assert "__main__.Histogram __main__.LATENCY" in elements and elements.items() <= dict(rows).items()
    assert "__main__.LATENCY" in lake.ok("top", "one", "--format", "csv", "-n", "9000")
