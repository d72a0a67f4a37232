"""Equally short ways: which is shown, how many objects take each, and that two processes compare by ways, not by addresses.

The heaps are of one program in two processes: the same objects, every one at another address."""

import json
import random
from collections import Counter

import capturing
import pytest

N_SESSIONS = 60

#: Each session is in two tables and, through a list, in a third; a few are deeper. A Request is not there, only what is
#: nearly called so.
PROGRAM = """
class Session: pass
class _CachedRequest: pass
class Registry: pass

def fill(n):
    import heaplake_dump, sys
    registry = sys.modules["__main__"].registry
    for i in range(n):
        session = Session()
        session.number = 1000 + i
        for table in (registry.by_id, registry.by_name):
            table["k%d" % i] = session
        registry.recent.append(session)
    registry.request = _CachedRequest()

registry = Registry()
registry.by_id, registry.by_name, registry.recent = {}, {}, []
"""


def heap(seed, n=N_SESSIONS):
    """Two modules that refer to the same sessions in three equally short ways, and one more holder of a few of them."""
    chance = random.Random(seed)
    places = iter(chance.sample(range(1, 1 << 20), 4 * n + 64))
    objects = []

    def new(kind, refs=(), **fields):
        address = 16 * next(places)
        objects.append({"address": address, "type": kind, "size": 16, "refs": list(refs), **fields})
        return address

    sessions = [new("Session") for _ in range(n)]
    deep = [new("Session") for _ in range(n)]
    by_id, by_name = new("dict", sessions), new("Table", sessions)
    recent = new("list", sessions[: n // 2])
    new("module", [new("dict", [by_id, new("set")])], name="app")
    new("module", [new("dict", [by_name, recent])], name="base")
    new("module", [new("dict", [new("dict", [new("Box", deep)])])], name="deep")
    for i, session in enumerate(deep):
        objects[[o["address"] for o in objects].index(session)]["refs"] = [new("_CachedRequest"), new("str", value=f"s{i}")]
    chance.shuffle(objects)
    return "".join(json.dumps(o) + "\n" for o in objects)


@pytest.fixture
def two(lake, tmp_path):
    for seed in (1, 2):
        file = tmp_path / f"p{seed}.json"
        file.write_text(heap(seed))
        lake.load(file, f"p{seed}")
    return lake


def shown(lake, dump, pattern, *args):
    """Types, names and positions of the paths of a pattern."""
    rows = lake.ok("--quiet", "path", "--dump", dump, "--format", "ndjson", *args, pattern)
    rows = [json.loads(line) for line in rows.splitlines()]
    assert rows
    return [(row["path_id"], row["type"], row["name"], row["arrow"], row["idx"]) for row in rows]


@pytest.mark.parametrize("plan", ["index", "join"])
@pytest.mark.parametrize(
    "pattern",
    [
        "root ..> Session",
        "SHORTEST 9 root ..> Session",
        "ALL SHORTEST root ..> Session LIMIT 70",
        "ALL ACYCLIC root ..> Session WITHIN 3 LIMIT 70",
        "ALL SHORTEST module ..> dict",
    ],
)
def test_two_processes_show_the_same_paths(two, plan, pattern):
    assert shown(two, "p1", pattern, "--plan", plan) == shown(two, "p2", pattern, "--plan", plan)


@pytest.mark.parametrize("plan", ["index", "join"])
def test_first_objects_that_nothing_tells_apart_take_the_same_way(two, plan):
    ways = [[row[1:4] for row in shown(two, dump, "Session <.. module", "--plan", plan)] for dump in ("p1", "p2")]
    assert ways[0] == ways[1]


def test_each_object_has_the_same_path_in_two_processes(two):
    pattern = "root ..> (x: Session) PER x"
    of = [sorted(p[1:] for p in shown(two, dump, pattern)) for dump in ("p1", "p2")]
    assert of[0] == of[1]


def ways(lake, dump, pattern, *args):
    quoted = pattern.replace("'", "''")
    return lake.sql(f"select signature, hops, objects, asked, repeats from path_ways('{quoted}')", "--dump", dump, *args)


def test_the_ways_and_how_many_take_them(two):
    by_dict, by_table = "module -> dict -> dict -> Session", "module -> dict -> Table -> Session"
    by_list = "module -> dict -> list -> Session"
    folded = {way.replace("dict -> dict ->", "(dict ->)+"): way for way in (by_dict, by_table, by_list)}
    for dump in ("p1", "p2"):
        found = [(folded.get(way, way), *rest) for way, *rest in ways(two, dump, "root ..> Session")]
        n = N_SESSIONS
        assert sorted(found) == sorted(
            [(by_table, 3, n, 2 * n, 1), (by_dict, 3, n, 2 * n, 2), (by_list, 3, n // 2, 2 * n, 1)]
        )
        assert found[-1][0] == by_list
        all_ways = ways(two, dump, "root ..> (x: Session) PER x")
        assert len(all_ways) == 4 and sum(objects for _, _, objects, *_ in all_ways) == 3 * n + n // 2
        # Every path of the k shortest is counted once for each object.
        assert sum(o for _, _, o, *_ in ways(two, dump, "SHORTEST 5 root ..> Session")) == len(
            {row[0] for row in shown(two, dump, "SHORTEST 5 root ..> Session")}
        )


def test_the_ways_of_both_forms_are_the_same(two):
    for pattern in ("root ..> Session", "root ..> (x: Session) PER x", "(s: Session) <.. module PER s"):
        index, join = (ways(two, "p1", pattern, "--plan", plan) for plan in ("index", "join"))
        assert [row[:3] for row in index] == [row[:3] for row in join] != []
        assert all(row[3] is None for row in join), "nobody has counted the objects"


@pytest.mark.parametrize("pattern", ["root ..> (x: Session) PER x", "root ..> Session", "(x: Session) <.. module PER x"])
def test_a_comparison_of_two_processes_finds_nothing_new_or_gone(two, pattern):
    compared = two.ok("path", "--dump", "p1", "--dump", "p2", "--compare", "--format", "table", pattern)
    assert "the same in all of these dumps" in compared, compared


def test_a_comparison_counts_objects_by_way(two, tmp_path):
    file = tmp_path / "p3.json"
    file.write_text(heap(3, N_SESSIONS + 10))
    two.load(file, "p3")
    rows = two.ok(
        *["path", "--dump", "p1", "--dump", "p3", "--compare", "--format", "ndjson"], "root ..> (x: Session) PER x"
    )
    found = {}
    for row in map(json.loads, rows.splitlines()):
        found.setdefault(row["answer"], []).append(row["found"])
    assert sorted(found.values()) == [[30, 35], [60, 70], [60, 70], [60, 70]]


def test_the_way_that_most_take_is_shown(lake, tmp_path):
    # By address and by type the one in A would be first; 9 of the 12 items are in B.
    lines = [
        {"address": 16, "type": "module", "size": 1, "name": "m", "refs": [32, 48]},
        {"address": 32, "type": "A", "size": 1, "refs": [160]},
        {"address": 48, "type": "B", "size": 1, "refs": [176 + 16 * i for i in range(9)]},
        *({"address": 160 + 16 * i, "type": "Item", "size": 1, "refs": [320] if i == 1 else []} for i in range(10)),
        {"address": 320, "type": "Deep", "size": 1, "refs": [336, 352]},
        *({"address": 336 + 16 * i, "type": "Item", "size": 1, "refs": []} for i in range(2)),
    ]
    file = tmp_path / "heap.json"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    lake.load(file, "heap")
    text = lake.ok("path", "--format", "table", "root ..> Item")
    assert "-> B" in text and "-> A" not in text
    last = text.splitlines()[-1]
    assert last == "9 of 12 Item by this way, 1 other way as short; root ..> (x: Item) PER x shows the others"
    assert lake.ok("path", "--format", "table", "root ..> A").splitlines()[-1].startswith("1 hop")
    # The pattern that is named is one.
    assert len(shown(lake, "heap", "root ..> (x: Item) PER x")) > 12


def test_no_object_of_a_type_names_types_that_are_called_nearly_so(two):
    for pattern in ("root ..> Request", "root ..> (x: Request WHERE size > 1)", "Session -> Request -> str"):
        text = two.ok("path", "--dump", "p1", "--format", "table", pattern)
        assert "dump p1 has no instances of Request (similar types: _CachedRequest)" in text, text


def test_two_runs_of_a_program_compare_by_ways(lake, tmp_path):
    python = list(capturing.pythons().values())[-1]
    program = PROGRAM + "import sys, heaplake_dump\nfill(40)\nheaplake_dump.dump(sys.argv[1])\n"
    for run in ("one", "two"):
        file = tmp_path / f"{run}.dump"
        # Other addresses in the second process, whatever the machine does.
        ballast = "ballast = [object() for _ in range(30000)]\n" if run == "two" else ""
        capturing.run(python, ballast + program, file)
        lake.load(file, run)
    addresses = [{a for (a,) in lake.sql("select address from obj where type like '%Session'", "--dump", d)} for d in ("one", "two")]
    assert len(addresses[0]) == len(addresses[1]) == 40 and addresses[0] != addresses[1]
    pattern = "root ..> (x: Session) PER x"
    compared = lake.ok("path", "--dump", "one", "--dump", "two", "--compare", "--format", "table", pattern)
    assert "the same in all of these dumps" in compared, compared
    # The second program has one more global, so that positions differ.
    kinds = [[row[1:4] for row in shown(lake, dump, "root ..> Session")] for dump in ("one", "two")]
    assert kinds[0] == kinds[1]


def test_a_drawing_of_too_many_objects_says_which_are_the_largest(two, tmp_path):
    file = tmp_path / "many.json"
    refs = [16 * i for i in range(2, 402)]
    lines = [{"address": 16, "type": "module", "size": 1, "name": "m", "refs": refs}]
    lines += [{"address": a, "type": "Blob", "size": 10 * i, "refs": []} for i, a in enumerate(refs)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    two.load(file, "many")
    said = two.fails("graph", "--dump", "many", "type = 'Blob'")
    assert "(type = 'Blob') and retained > 1990" in said and "the 200 that retain most" in said, said
    two.ok("graph", "--dump", "many", "(type = 'Blob') and retained > 1990")
    assert "WHERE retained > 1990" in two.fails("graph", "--dump", "many", "REACH module -> Blob")


def test_running_top_level_code_is_called_so(lake, tmp_path):
    file = tmp_path / "heap.json"
    file.write_text('{"address": 16, "type": "function", "name": "<module>", "size": 1, "refs": [32]}\n'
                    '{"address": 32, "type": "Item", "size": 1, "refs": []}\n')
    lake.load(file, "heap")
    assert "function <module> (top-level code that is running)" in lake.ok("path", "--format", "table", "root ..> Item")


@pytest.mark.parametrize("is_ascending", [True, False])
def test_steps_back_to_earlier_levels_are_found_however_many_there_are(lake, tmp_path, is_ascending):
    """A root refers to all of a row, each of which refers to the one before: the longer paths go back once for each."""
    n = 40
    row = [16 * (place if is_ascending else 1000 - place) for place in range(2, n + 2)]
    objects = [{"address": 16, "type": "module", "name": "m", "size": 8, "refs": row}]
    for place, address in enumerate(row):
        refs = [row[place - 1]] if place else [16 * 2000]
        objects.append({"address": address, "type": "Link", "size": 8, "refs": refs})
    objects.append({"address": 16 * 2000, "type": "End", "size": 8, "refs": []})
    file = tmp_path / "row.json"
    file.write_text("".join(json.dumps(o) + "\n" for o in objects))
    lake.load(file, "row")
    pattern = f"SHORTEST {n} module ..> End"
    by_index, by_joins = (shown(lake, "row", pattern, "--plan", plan) for plan in ("index", "join"))
    assert by_joins == by_index
    assert list(Counter(row[0] for row in by_index).values()) == list(range(3, n + 3))
