"""Reference counts in captures, and what the lake makes of them: what C code holds, and what is garbage, exactly."""

import json
from collections import Counter

import pyarrow.parquet as parquet
import pytest

from capturing import Heap, pythons, run
from test_capture_lake import obj, write

#: 9,400 objects, the counts of 300 of which are raised by hand; 1,000 in garbage cycles, which hold another 500; a cycle that
#: C code holds; what is held twice by one object, by itself, by a frame, by a cell, and by nothing but a weak reference.
PROGRAM = """
import ctypes, gc, sys, weakref
import heaplake_dump
class Held:
    def __init__(self, i): self.i = [i]
class Leaked(Held): pass
class Garbage: pass
class Below: pass
class Ring: pass
class Twice: pass
class Own: pass
class Local: pass
class Shared: pass
class Callable: pass
class Part(tuple): pass
class Table(dict): pass
class Slots: __slots__ = ("a", "b")
held = [Held(i) for i in range(9_100)] + [Leaked(i) for i in range(300)]
for it in held[9_100:]:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(it))
ring = Ring(); ring.me = Ring(); ring.me.me = ring
ctypes.pythonapi.Py_IncRef(ctypes.py_object(ring))
del it, ring
gc.collect(); gc.disable()
def make():
    for _ in range(500):
        a, b = Garbage(), Garbage()
        a.other, b.other, a.below = b, a, Below()
make()
twice = [Twice()] * 2
own = Own(); own.own = own
parts = Part([Part([]), Table(a=Table(), b=[])])
slots = Slots(); slots.a = slots.b = [slots]
weak = weakref.ref(held[0])
def suspended():
    local = Local()
    yield local
waiting = suspended()
next(waiting)
def work(path, how):
    local, shared = Local(), Shared()
    see = lambda: shared
    bound = see.__call__
    heaplake_dump.dump(path, fork=how == "fork")
    return local, shared, bound
work(sys.argv[1], sys.argv[2])
"""

#: What each type's objects have of references that nothing explains.
EXPECTED = {
    "Held": {0: 9_100}, "Leaked": {1: 300}, "Garbage": {0: 1_000}, "Below": {0: 500}, "Ring": {0: 1, 1: 1}, "Twice": {0: 1},
    "Own": {0: 1}, "Local": {0: 2}, "Part": {0: 2}, "Table": {0: 2}, "Slots": {0: 1}, "Shared": {0: 1},
}


@pytest.mark.parametrize("how", ["fork", "here"])
@pytest.mark.parametrize("version,python", pythons().items())
def test_what_c_code_holds_and_what_nothing_holds(lake, tmp_path, version, python, how):
    file = tmp_path / "heap.dump"
    run(python, PROGRAM, file, how)
    heap = Heap(file)
    found = heap.unexplained()
    # As many as the collector finds: never fewer than the graph explains.
    assert min(found.values()) == 0
    by_type = {name: Counter(found[line["address"]] for line in heap.all(name)) for name in EXPECTED}
    assert by_type == EXPECTED
    # Only what the collector tracks has a count, and nothing that is never freed.
    assert not [line for name in ("str", "int", "bytes", "NoneType", "code") for line in heap.all(name) if "refcount" in line]
    assert max(line.get("refcount", 0) for line in heap.objects.values()) < 1 << 24
    # The script's own functions are being run.
    assert not [line for line in heap.all("function") if line["name"] == "_dump_in_child" and "refcount" in line]

    lake.load(file, "heap")
    types = "', '".join(EXPECTED)
    rows = lake.sql(f"select short(type), external, count(*) from obj where short(type) in ('{types}') group by 1, 2")
    assert {name: {n: count for other, n, count in rows if other == name} for name in EXPECTED} == EXPECTED
    assert dict(lake.sql("select address, external from obj where external is not null")) == found
    assert lake.sql("select root_kind, count(*) from obj where short(type) = 'Leaked' group by 1") == [("external", 300)]
    assert lake.sql("select root_kind, count(*) from obj where short(type) = 'Ring' group by 1 order by 1 nulls last") == [
        ("external", 1), (None, 1),
    ]
    # No cycle remains of which it is not known whether it is garbage.
    kinds = dict(lake.sql("select kind, count(*) from root group by 1"))
    assert kinds["garbage"] == 500 and "cycle" not in kinds
    # `run unreachable` has garbage only, and all of it.
    listed = {row["type"]: row["count"] for row in json.loads(lake.ok("run", "unreachable", "--format", "json"))}
    assert listed.pop("__main__.Garbage") == 1_000 and listed.pop("__main__.Below") == 500
    assert not set(listed) - {"dict"}
    # A path from a root is from what is alive, unless garbage is asked for.
    assert lake.sql("select count(*) from path('root ..> Below')") == [(0,)]
    assert lake.sql("select count(*) from path('root ..> Leaked')") != [(0,)]
    asked = "ANY SHORTEST (g: * WHERE root_kind = ''garbage'') ..> Below"
    assert lake.sql(f"select count(*) from path('{asked}')") != [(0,)]
    assert lake.sql("select count(*) from path('root ..> Below')", "--plan", "join") == [(0,)]
    # One object stands for each cycle: until 3.10 it may be the dictionary of one.
    top = "select sum(count) from holder_stat where holder in ('(garbage) -> __main__.Garbage', '(garbage) -> dict')"
    assert lake.sql(top) == [(500,)]


def test_an_index_that_is_built_otherwise_says_the_same(lake, tmp_path):
    file = tmp_path / "heap.dump"
    run(list(pythons().values())[-1], PROGRAM, file, "fork")
    lake.load(file, "heap")
    lake.load(file, "later", "--no-index")
    assert lake.sql("select count(external), count(refcount) > 10000 from later.obj") == [(0, True)]
    lake.ok("index", "later")
    lake.load(file, "spilled", "--memory-limit", "16MiB")
    if not lake.manifest("spilled")["indexed"]:
        lake.ok("index", "spilled")
    lake.load(file, "wide", "--wide-ids")
    columns = "select address, refcount, external, root_kind, distance, retained from {}.obj order by address"
    expected = lake.sql(columns.format("heap"))
    for dump in ("later", "spilled", "wide"):
        assert lake.sql(columns.format(dump)) == expected, dump
    # The index file alone, from the tables.
    for path in (lake.path / "index/dump=heap").iterdir():
        path.unlink()
    assert lake.sql("select count(*) from path('root ..> Below')") == [(0,)]
    lake.assert_sound()


#: a holds b twice and c weakly; c and d hold each other; e holds itself and is held by C code; nothing is known of f and g.
OBJECTS = [
    obj(16, "A", [32, 32, 48], weak=[2], root="interpreter", refcount=7),
    obj(32, "B", refcount=2),
    obj(48, "C", [64], refcount=1),
    obj(64, "D", [48], refcount=1),
    obj(80, "E", [80], refcount=2),
    obj(96, "F", [112]),
    obj(112, "G", [96]),
    obj(128, "H"),
]


@pytest.mark.parametrize("how", [{}, {"indent": 1}, {"separators": (",", ":")}])
def test_references_are_subtracted_from_counts(lake, tmp_path, how):
    lake.load(write(tmp_path / "heap.dump", OBJECTS, **how), "heap")
    assert lake.sql("select address, refcount, external, root_kind, distance from obj order by 1") == [
        (16, 7, 7, "interpreter", 0),
        (32, 2, 0, None, 1),
        (48, 1, 0, "garbage", None),
        (64, 1, 0, None, None),
        (80, 2, 1, "external", 0),
        (96, None, None, "cycle", None),
        (112, None, None, None, None),
        (128, None, None, "unreferenced", 0),
    ]
    # What may be held by C code is a root of paths; what is not is none.
    assert lake.sql("select count(*) from path('root ..> D')") == [(0,)]
    assert lake.sql("select count(*) from path('root ..> G')") == [(2,)]
    assert dict(lake.sql("select holder, count from holder_stat where depth = 2"))["(garbage) -> C"] == 1
    lake.assert_sound()


@pytest.mark.parametrize("count", [0, -1, 1.5, "7x", [], 1 << 32, True])
def test_a_count_that_is_none(lake, tmp_path, count):
    path = write(tmp_path / "heap.dump", [obj(16, "A", root="x", refcount=count), obj(32, "B", refcount=1)])
    assert "bad_label" in lake.fails("import", path) or "refcount" in lake.fails("import", path)
    lake.load(path, "heap", "--on-error", "skip")
    assert lake.sql("select refcount from obj order by address") == [(None,), (1,)]
    assert lake.sql("select kind from issue") == [("bad_label",)]


def test_dumps_without_counts(lake, small_dump):
    lake.load(small_dump, "small")
    assert lake.sql("select count(refcount), count(external), count(root_kind) > 0 from obj") == [(0, 0, True)]


def test_tables_of_older_versions_have_no_counts(lake, tmp_path):
    lake.load(write(tmp_path / "heap.dump", OBJECTS), "heap")
    manifest = json.loads((lake.path / "dumps/heap.json").read_text())
    [entry] = [file for file in manifest["files"] if file["table"] == "obj"]
    path = lake.path / entry["path"]
    table = parquet.read_table(path, partitioning=None).drop_columns(["refcount", "external"])
    parquet.write_table(table, path)
    entry["bytes"] = path.stat().st_size
    (lake.path / "dumps/heap.json").write_text(json.dumps(manifest))
    lake.load(tmp_path / "heap.dump", "new")
    assert lake.sql("select dump, count(refcount), count(external), count(*) from history.obj group by 1 order by 1") == [
        ("heap", 0, 0, 8), ("new", 5, 5, 8),
    ]
    assert lake.sql("select address from heap.obj where external > 0") == []
    lake.ok("index", "heap")
    # Its checksum is another one; that it has fewer columns is no fault.
    assert "no column" not in lake.run("verify", "heap").stdout.decode()


CODE = """
import gc, sys
import heaplake_dump
gc.disable()
codes = [compile(f"def made(first{n}, second{n}): return first{n}", "made.py", "exec").co_consts[0] for n in range(200)]
heaplake_dump.dump(sys.argv[1])
"""


@pytest.mark.parametrize("version, python", sorted(pythons().items()))
def test_what_new_code_refers_to_is_not_held_by_c(version, python, tmp_path, lake):
    """Its tuples of names and constants are tracked until the collector has seen them."""
    path = tmp_path / "code.dump"
    run(python, CODE, path)
    lake.load(path, f"code_{version.replace('.', '')}")
    assert lake.sql("select count(*) >= 200 from obj where type = 'code' and name = 'made'") == [(True,)]
    query = """
        select count(*) from obj o where type = 'tuple' and root_kind = 'external'
        and exists (select 1 from edge e join obj name on name.address = e.child
                    where e.parent = o.address and name.value like 'first%')
    """
    assert lake.sql(query) == [(0,)]
