"""What objects are called, where their fields lead, how full they are, who holds them: on captures of real programs."""

import json

import pytest

from capturing import pythons, run

PROGRAM = """
import json, sys, threading, types
import heaplake_dump

class User: pass
class Slotted:
    __slots__ = ("user",)
class Inline: pass
class Table: pass

def users(cls, n):
    found = []
    for i in range(n):
        obj = cls()
        obj.user = User()
        obj.user.marker = cls.__name__ * 50
        found.append(obj)
    return found

slotted, inline, table = users(Slotted, 700), users(Inline, 5), users(Table, 5)
kept = [vars(obj) for obj in table]
nobody = Inline()

def room(make, add):
    '''A container, and how many items fit into it until its size changes.'''
    obj = make()
    full, size = make(), sys.getsizeof(obj)
    n = len(full)
    while True:
        add(full, n + 10 ** 6)
        if sys.getsizeof(full) != size:
            return obj, n
        n += 1

def put(full, n): full[n] = n
def put_text(full, n): full[str(n)] = n

known = {}
for n in (1, 4, 5, 6, 10, 11, 40, 100, 700, 30000):
    known["set %d" % n] = room(lambda: set(range(n)), set.add)
    known["dict %d" % n] = room(lambda: {i: i for i in range(n)}, put)
    known["text %d" % n] = room(lambda: {str(i): i for i in range(n)}, put_text)
    grown = []
    for i in range(n):
        grown.append(i)
    known["list %d" % n] = (grown, (sys.getsizeof(grown) - sys.getsizeof([])) // 8)
expected = {id(obj): [name, room, len(obj)] for name, (obj, room) in known.items()}

def waits(n):
    order_of_thread = [bytearray(n)]
    inner(dict.fromkeys(range(1000)))

def inner(items_of_frame):
    ready.set()
    done.wait()

ready, done = threading.Event(), threading.Event()
thread = threading.Thread(target=waits, name="waiter", args=(300000,))
thread.start()
ready.wait()
heaplake_dump.dump(sys.argv[1])
done.set()
thread.join()
print(json.dumps(expected))
"""

PYTHONS = sorted(pythons().items())


@pytest.fixture(scope="module", params=PYTHONS, ids=[version for version, _ in PYTHONS])
def captured(request, tmp_path_factory):
    """A lake with the capture of the program under one Python, and the capacities that the program found itself."""
    from lake import Lake

    folder = tmp_path_factory.mktemp("names")
    expected = json.loads(run(request.param[1], PROGRAM, folder / "program.dump.gz"))
    lake = Lake(folder / "lake")
    lake.load(folder / "program.dump.gz", "d")
    return lake, expected


def test_a_field_is_found_wherever_this_python_keeps_it(captured):
    lake, _ = captured
    for name, n in [("Slotted", 700), ("Inline", 5), ("Table", 5)]:
        owner = f"(o.type = '{name}' or o.type like '%.{name}')"
        found = lake.sql(
            "select count(*), count(distinct u.address), count(distinct m.value) from obj o "
            "join obj u on u.address = field(o.address, 'user') and (u.type = 'User' or u.type like '%.User') "
            f"join obj m on m.address = field(u.address, 'marker') and m.type = 'str' where {owner}"
        )
        assert found == [(n, n, 1)], name
        nothing = lake.sql(f"select count(field(o.address, 'usr')), count(field(o.address, null)) from obj o where {owner}")
        assert nothing == [(0, 0)]
    # An object without the field, and addresses of nothing.
    assert lake.sql("select field(0, 'user'), field(-1, 'user'), field(null, 'user')") == [(None, None, None)]
    assert lake.sql("select count(*) from obj where type like '%Inline' and field(address, 'user') is null") == [(1,)]


def test_capacity_is_what_the_program_finds(captured):
    lake, expected = captured
    rows = lake.sql(
        "select address, capacity(dump, type, size, len), unused_bytes(dump, type, size, len), len from obj "
        f"where address in ({', '.join(expected)})"
    )
    assert len(rows) == len(expected)
    for address, capacity, unused, length in rows:
        name, room, n = expected[str(address)]
        assert (length, capacity) == (n, room), name
        slot = {"list": [8], "set": [16], "dict": [24], "text": [16, 24]}[name.split()[0]]
        assert unused in [(room - n) * size for size in slot], name
    waste = {row["kind"]: row for row in json.loads(lake.ok("run", "waste", "--format", "json"))}
    assert waste["unused room of containers"]["bytes"] > sum(unused for _, _, unused, _ in rows if unused)
    listed = json.loads(lake.ok("run", "unused_capacity", "limit=5", "--format", "json"))
    assert listed[0]["unused"] == max(row["unused"] for row in listed) and listed[0]["fill"] <= 100


def test_threads_have_frames_and_locals(captured):
    lake, _ = captured
    rows = json.loads(lake.ok("run", "threads", "thread=waiter", "--format", "json"))
    total, rest = rows[0], rows[1:]
    assert total["frame"] is None and total["retained"] >= 300000
    functions = [row["function"] for row in rest if row["function"]]
    assert functions.index("inner") < functions.index("waits") < functions.index("_bootstrap"), functions
    frames = [row["frame"] for row in rest if row["function"]]
    assert frames == sorted(frames) == list(range(len(frames)))
    by_name = {row["local"]: row for row in rest if row["local"]}
    assert by_name["order_of_thread"]["type"] == "list" and by_name["order_of_thread"]["retained"] >= 300000
    assert by_name["items_of_frame"]["type"] == "dict"
    assert by_name["items_of_frame"]["frame"] < by_name["order_of_thread"]["frame"]
    assert json.loads(lake.ok("run", "threads", "thread=nobody", "--format", "json")) == []


def test_tree_and_top_show_names_and_labels(captured):
    lake, _ = captured
    rows = json.loads(lake.ok("run", "biggest", "limit=200", "--format", "json"))
    names = {(row["type"], row["name"]) for row in rows}
    assert ("dict", "__main__") in names and ("list", "slotted") in names, names
    slotted = next(row for row in rows if row["name"] == "slotted")
    assert slotted["label"] == "['slotted']" and slotted["percent"] > 0
    assert slotted["held_by_name"] == "__main__"
    holder = lake.sql(f"select idom from obj where address = {slotted['address']}")[0][0]
    tree = lake.ok("tree", str(holder), "--depth", "1", "--children", "50", "--format", "table")
    assert "['slotted'] -> list slotted @" in tree and "dict __main__ @" in tree, tree


def test_modules_have_what_their_classes_and_functions_hold(captured):
    lake, _ = captured
    rows = {row["module"]: row for row in json.loads(lake.ok("top", "--by", "module", "-n", "2000", "--format", "json"))}
    whole = lake.sql("select sum(size), count(*) from obj where retained > 0")[0]
    assert sum(row["size"] for row in rows.values()) <= whole[0]
    assert sum(row["count"] for row in rows.values()) <= whole[1]
    for row in rows.values():
        assert row["dominated_size"] + row["typed_size"] + row["path_size"] == row["size"]
    # 700 users with a text and a dictionary each, and what the program filled.
    assert rows["__main__"]["size"] > 1_000_000
    assert rows["threading"]["size"] > 10_000 and rows["json.decoder"]["size"] > 1000
    nowhere = rows.get("(no module)", {"size": 0})["size"]
    assert nowhere < whole[0] / 3, (nowhere, whole)
