"""A capture in the lake: labels, weak references, roots, and what the dump says of its process."""

import json

import pytest

from capturing import run
from test_capture import KNOWN, pythons

HEADER = {"format": 2, "time": "2026-03-01T12:00:00.250000Z", "pid": 4711, "host": "web3", "python": "3.11.7"}
HEADER |= {"command": ["python", "app.py"], "rss": 1 << 20, "values": "short", "redact": False, "fork": True}


def mark(address, **fields):
    return {"address": address, "type": "heaplake capture", "size": 0, **fields, "refs": []}


def obj(address, type_name, refs=(), **fields):
    return {"address": address, "type": type_name, "size": 16, "refs": list(refs), **fields}


#: r -.first-> a, r -['k-1']-> b; a -"label with quotes"-> b (weak); b -> a without label.
OBJECTS = [
    obj(16, "dict", [32, 48], labels=[".first", "['k-1']"], root="interpreter"),
    obj(32, "A", [48, 16], labels=['a "quoted"\n\u001b[31m \u00fc', None], weak=[0]),
    obj(48, "B", [32]),
    obj(64, "module", root="cycle"),
]


def write(path, objects=OBJECTS, header=HEADER, end=None, **how):
    lines = [mark(0, capture=header), *objects]
    lines.append(mark(1, end={"objects": len(objects) if end is None else end}))
    path.write_text("".join(json.dumps(line, **how) + "\n" for line in lines))
    return path


EDGES = "select parent, child, label, kind from edge order by parent, idx"
EXPECTED = [
    (16, 32, ".first", "strong"),
    (16, 48, "['k-1']", "strong"),
    (32, 48, 'a "quoted"\n\u001b[31m \u00fc', "weak"),
    (32, 16, None, "strong"),
    (48, 32, None, "strong"),
]


@pytest.mark.parametrize("how", [{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_labels_kinds_and_roots(lake, tmp_path, how):
    lake.load(write(tmp_path / "heap.dump", **how), "heap")
    assert lake.sql(EDGES) == EXPECTED
    # A module is no root by its type: a capture says which are.
    assert lake.sql("select address, kind from root order by 1") == [(16, "interpreter"), (64, "recorded cycle")]
    assert lake.sql("select address, root_kind, distance from obj order by 1") == [
        (16, "interpreter", 0),
        (32, None, 1),
        (48, None, 1),
        (64, "recorded cycle", 0),
    ]
    assert lake.sql("select issues, objects, format from dump") == [(0, 4, "capture")]
    lake.assert_sound()


def test_what_the_dump_says_of_its_process(lake, tmp_path):
    file = write(tmp_path / "heap.dump")
    lake.load(file, "heap")
    manifest = json.loads((lake.path / "dumps/heap.json").read_text())
    assert (manifest["taken"], manifest["taken_from"]) == ("2026-03-01T12:00:00.250Z", "dump")
    assert manifest["tags"] == {}
    assert manifest["process"] == {
        "format": 2, "runtime": "CPython", "version": "3.11.7", "pid": 4711, "host": "web3", "command": "python app.py",
        "resident_bytes": 1048576,
    }
    shown = {"pid": "4711", "host": "web3", "python": "3.11.7", "command": "python app.py", "rss": "1048576"}
    assert tags_of(lake, "heap") == shown
    lake.load(file, "told", "--tag", "host=other", "--tag", "mine=x", "--taken", "2020-01-01T00:00:00Z")
    manifest = json.loads((lake.path / "dumps/told.json").read_text())
    assert (manifest["taken"], manifest["taken_from"]) == ("2020-01-01T00:00:00Z", "user")
    assert manifest["tags"] == {"host": "other", "mine": "x"} and manifest["process"]["host"] == "web3"
    assert tags_of(lake, "told") == shown | {"host": "other", "mine": "x"}
    lake.ok("tag", "told", "--unset", "host", "--unset", "command")
    assert tags_of(lake, "told").keys() == {"pid", "python", "rss", "mine"}


def test_older_manifests_have_the_process_among_the_tags(lake, tmp_path):
    lake.load(write(tmp_path / "heap.dump"), "heap")
    path = lake.path / "dumps/heap.json"
    manifest = json.loads(path.read_text())
    shown = tags_of(lake, "heap")
    del manifest["process"]
    path.write_text(json.dumps(manifest | {"tags": shown | {"mine": "x"}}))
    assert tags_of(lake, "heap") == shown | {"mine": "x"}
    lake.ok("tag", "heap", "pid=1")
    manifest = json.loads(path.read_text())
    assert (manifest["tags"]["pid"], manifest["process"]["pid"]) == ("1", 4711)


def tags_of(lake, dump):
    [tags] = [row["tags"] for row in json.loads(lake.ok("dumps", "--format", "json")) if row["id"] == dump]
    return tags


@pytest.mark.parametrize("plan", ["index", "join"])
def test_patterns_go_by_labels(lake, tmp_path, plan):
    lake.load(write(tmp_path / "heap.dump"), "heap")
    query = "select address, label from path('dict -[''k-1'']-> B -> A') order by hop"
    assert lake.sql(query, "--plan", plan) == [(16, None), (48, "['k-1']"), (32, None)]


def test_an_index_that_is_built_later_has_the_same_roots(lake, tmp_path):
    file = write(tmp_path / "heap.dump")
    lake.load(file, "heap")
    lake.load(file, "later", "--no-index")
    assert lake.sql("select address, kind from root order by 1") == [(16, "interpreter"), (64, "recorded cycle")]
    lake.ok("index", "later")
    columns = "select address, root_kind, distance, idom, retained from {}.obj order by 1"
    assert lake.sql(columns.format("later")) == lake.sql(columns.format("heap"))
    lake.assert_sound()


@pytest.mark.parametrize("options", [[], ["--no-index"], ["--memory-limit", "24MB"]])
def test_weak_references_of_objects_larger_than_a_row_group(lake, tmp_path, options):
    n = 600_000
    weak = sorted({0, 1, n - 1, 262_143, 262_144, 524_288, *range(7, n, 1001)})
    children = [obj(32 + 16 * i, "B") for i in range(100)]
    large = obj(16, "A", [32 + 16 * (i % 100) for i in range(n)], weak=weak)
    # A weak reference object that says so itself, in the same row group.
    of_both = obj(8, "weakref", [16, 32], weak=[1])
    lake.load(write(tmp_path / "heap.dump", [of_both, large, *children]), "heap", *options)
    assert lake.sql("select idx from edge where kind = 'weak' and parent = 16 order by idx") == [(i,) for i in weak]
    assert lake.sql("select count(*), count(distinct idx), min(child), max(child) from edge where parent = 16") == [
        (n, n, 32, 32 + 16 * 99)]
    assert lake.sql("select idx, kind from edge where parent = 8 order by idx") == [(0, "strong"), (1, "weak")]


def test_a_weak_reference_object_with_weak_references(lake, tmp_path):
    lines = [obj(16, "weakref", [32, 48], weak=[1]), obj(32, "A"), obj(48, "A", [32], weak=[0])]
    path = tmp_path / "heap.dump"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for options in [[], ["--no-index"]]:
        lake.load(path, "heap", "--replace", *options)
        assert lake.sql("select parent, idx, kind from edge order by parent, idx") == [
            (16, 0, "weak"), (16, 1, "weak"), (48, 0, "weak")]
        assert lake.sql("select address from root order by 1") == [(16,), (32,), (48,)]


def test_labels_survive_an_import_that_spills(lake, tmp_path):
    objects = []
    for n in range(30_000):
        refs = [16 * (n * 7 % 30_000), 16 * (n * 11 % 30_000), 16]
        labels = [f"['key {n}']", ".shared", None]
        objects.append(obj(16 * n, f"T{n % 50}", refs, labels=labels, value="x" * 400, **({"weak": [1]} if n % 3 else {})))
    file = write(tmp_path / "big.dump", objects)
    lake.load(file, "memory")
    lake.load(file, "spilled", "--memory-limit", "16MB", "--no-index")
    lake.ok("index", "spilled")
    rows = "select parent, idx, child, label, kind from {}.edge order by 1, 2"
    first = lake.sql(rows.format("memory"))
    assert first == lake.sql(rows.format("spilled"))
    assert first[:3] == [(0, 0, 0, "['key 0']", "strong"), (0, 1, 0, ".shared", "strong"), (0, 2, 16, None, "strong")]
    assert first[3:5] == [(16, 0, 112, "['key 1']", "strong"), (16, 1, 176, ".shared", "weak")]
    columns = "select address, root_kind, idom, retained from {}.obj order by 1"
    assert lake.sql(columns.format("memory")) == lake.sql(columns.format("spilled"))


DAMAGED = {
    "too few labels": (obj(80, "C", [16, 32], labels=[".a"]), "bad_label"),
    "too many labels": (obj(80, "C", [16], labels=[".a", ".b"]), "bad_label"),
    "a label that is a number": (obj(80, "C", [16], labels=[7]), "bad_label"),
    "labels that are a text": (obj(80, "C", [16], labels=".a"), "bad_label"),
    "a weak position that is none": (obj(80, "C", [16], weak=[1]), "bad_label"),
    "weak positions that fall": (obj(80, "C", [16, 32], weak=[1, 0]), "bad_label"),
    "a root that is a number": (obj(80, "C", [16], root=7), "bad_label"),
    "a second first line": (mark(0, capture=HEADER), "malformed"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_does_not_fit_is_said(lake, tmp_path, name):
    damage, kind = DAMAGED[name]
    is_object = "capture" not in damage
    file = write(tmp_path / "heap.dump", [*OBJECTS, damage], end=len(OBJECTS) + is_object)
    assert "line 6" in lake.fails("import", file)
    lake.load(file, "heap", "--on-error", "skip")
    assert lake.sql("select kind, line from issue") == [(kind, 6)]
    if is_object:
        assert lake.sql("select label, kind from edge where parent = 80") == [(None, "strong")] * len(damage["refs"])
        assert lake.sql("select root_kind from obj where address = 80") == [("unreferenced",)]


def test_a_capture_without_its_end_is_not_whole(lake, tmp_path):
    file = write(tmp_path / "heap.dump", end=3)
    assert "says 3 objects; 4 are there" in lake.fails("import", file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert "last line of the capture is missing" in lake.fails("import", file)
    lake.load(file, "heap", "--on-error", "skip")
    assert lake.sql("select kind from issue") == [("truncated",)]
    assert lake.sql(EDGES) == EXPECTED


def test_a_newer_format_is_refused(lake, tmp_path):
    file = write(tmp_path / "heap.dump", header=HEADER | {"format": 3})
    assert "a newer heaplake is needed" in lake.fails("import", file)


@pytest.mark.parametrize("header", [{}, {"format": "x"}, {"format": -1}, {"format": 1, "pid": "4711"}, {"format": 1, "command": 7}])
def test_a_first_line_that_says_nothing_is_damage(lake, tmp_path, header):
    file = write(tmp_path / "heap.dump", header=header)
    assert "what the dump says of itself cannot be understood" in lake.fails("import", file)


def test_hostile_texts_do_not_reach_the_terminal(lake, tmp_path):
    hostile = "\u001b[31m\u202e" + "x" * 5000
    objects = [obj(16, "dict", [32], labels=[hostile], root=hostile), obj(32, "A")]
    header = HEADER | {"host": hostile, "command": [hostile], "time": hostile}
    lake.load(write(tmp_path / "heap.dump", objects, header), "heap")
    for command in (["info"], ["dumps"], ["path", "dict -> A"], ["sql", "select * from edge"], ["sql", "select * from root"]):
        shown = lake.ok(*command, "--format", "table")
        assert "\u001b[31m" not in shown and "\u202e" not in shown, command
    assert lake.sql("select label from edge") == [(hostile,)]
    assert len(lake.sql("select kind from root")[0][0]) == 201


def test_a_real_capture_is_walked_by_its_labels(lake, tmp_path):
    python = pythons()[max(pythons(), key=lambda version: int(version.split(".")[1]))]
    run(python, KNOWN, tmp_path / "known.dump.gz", "{}")
    lake.load(tmp_path / "known.dump.gz", "known")
    query = "select label from path('(m: module WHERE name = ''__main__'') -.__dict__-> dict -[''closure'']-> function') order by hop"
    assert lake.sql(query) == [(None,), (".__dict__",), ("['closure']",)]
    assert lake.sql("select count(*) from obj where root_kind like 'thread %' and type = 'frame'")[0][0] > 3
    # What is found without roots is little: nearly everything hangs on a recorded one.
    found, objects = lake.sql("select count(*) filter (where root_kind in ('unreferenced', 'cycle')), count(*) from obj")[0]
    assert found < objects / 50


def with_types(n_web, n_billing, is_old=False):
    """A root that holds sessions of two modules, or of one name."""
    names = ["Session", "Session"] if is_old else ["web.Session", "billing.Session"]
    kinds = [names[0]] * n_web + [names[1]] * n_billing + ["Order" if is_old else "shop.Order"]
    objects = [obj(32 + 16 * at, kind) for at, kind in enumerate(kinds)]
    return [obj(16, "dict", [one["address"] for one in objects], root="interpreter"), *objects]


@pytest.fixture
def sessions(lake, tmp_path):
    """An old dump with bare names of types, and two new ones with modules."""
    for name, format_version, objects in (
        ("old", 1, with_types(3, 2, is_old=True)), ("first", 2, with_types(3, 2)), ("second", 2, with_types(2, 4)),
    ):
        header = HEADER | {"format": format_version}
        lake.load(write(tmp_path / f"{name}.dump", objects, header), name)
    return lake


def test_types_of_one_name_in_two_modules_are_two(sessions):
    lake = sessions
    rows = "select type, count_before, count_after from diff('first', 'second') where type like '%Session' order by 1"
    assert lake.sql(rows) == [("billing.Session", 2, 4), ("web.Session", 3, 2)]
    assert lake.sql("select distinct short(type), module(type) from second.obj order by 1") == [
        ("Order", "shop"), ("Session", "billing"), ("Session", "web"), ("dict", None)]
    n = lambda pattern: lake.sql(f"select count(*) from path_nodes('REACH {pattern}', 'second')")[0][0]
    found = [n(pattern) for pattern in ("Session", "web.Session", "web.*", "Ses*", "*.Session", "dict")]
    assert found == [6, 2, 2, 6, 6, 1]
    check = lambda *args: lake.run("check", "--dump", "second", "--baseline", "first", *args).returncode
    assert check("no_growth", "type=billing.*") == 1 == check("no_growth", "type=Session")
    assert check("no_growth", "type=web.*") == 0
    assert check("no_growth", "type=wob.Session") == 2


def test_dumps_with_and_without_modules_are_compared_by_short_names(sessions):
    lake = sessions
    rows = "select type, count_before, count_after from diff('old', 'second') order by 1"
    # What a session of the old dump is cannot be told; there is one type of orders only.
    assert lake.sql(rows) == [("Session", 5, 6), ("dict", 1, 1), ("shop.Order", 1, 1)]
    result = lake.run("diff", "old", "second", "--format", "table")
    assert b"types without their modules" in result.stderr and b"shop.Order" not in result.stdout
    assert b"types without their modules" not in lake.run("diff", "first", "second", "--format", "table").stderr
    assert lake.sql("select first, last from trend('*', 'type', 'count') where type = 'Session'") == [(5, 6)]
    result = lake.run("check", "--dump", "second", "--baseline", "old", "no_new_type")
    assert result.returncode == 0 and b"types without their modules" in result.stdout + result.stderr
    holders = "select holder from diff('old', 'second', 'holder') where status = 'new'"
    assert lake.sql(holders) == []


def test_tags_say_why_there_is_a_dump_and_how_many_interpreters_there_are(lake, tmp_path):
    lake.load(write(tmp_path / "a.dump", header=HEADER | {"interpreters": 3, "reason": "MemoryError"}), "a")
    lake.load(write(tmp_path / "b.dump", header=HEADER | {"interpreters": 1, "reason": None}), "b")
    assert lake.sql("select id, tag('interpreters'), tag('reason') from dump order by id") == [
        ("a", "3", "MemoryError"), ("b", None, None)]
