"""Holders, diff and trend, against their definitions on the tables, on real dumps and on series that are known."""

import json
import random
import re
import statistics
from collections import Counter, defaultdict

import pytest

import heaps

MAX_PERIOD = 8
MAX_DEPTH = 48


def folded(path):
    """The signature of a path by its definition, as a list of elements and the set of ends that repeat."""
    out, loops = [], {}
    for element in path:
        out.append(element)
        for w in range(1, MAX_PERIOD + 1):
            times = 3 if w == 1 else 2
            n = len(out)
            if times * w <= n and all(out[n - w :] == out[n - (k + 1) * w : n - k * w] for k in range(1, times)):
                del out[n - w :]
                loops[tuple(out)] = w
                break
    return out, loops


def in_words(signature, loops):
    parts, end = [], len(signature)
    while end > 0:
        w = loops.get(tuple(signature[:end]), 0)
        parts.append((signature[end - max(w, 1) : end], w > 0))
        end -= max(w, 1)
    words = ""
    for i, (elements, repeats) in enumerate(reversed(parts)):
        last = i + 1 == len(parts)
        text = " -> ".join(elements)
        words += (f"({text} ->)+" + ("" if last else " ")) if repeats else text + ("" if last else " -> ")
    return words


NAMESPACES = (".__dict__", ".__globals__")


def name_of_label(label, has_keys):
    """The name that a label gives: an attribute or a variable, or a key of something whose keys are names."""
    key = re.fullmatch(r"\['(\w+)'\]", label)
    name = key[1] if key else label.removeprefix(".")
    is_name = re.fullmatch(r"[^\W\d]\w*", name) and not (name.startswith("__") and name.endswith("__"))
    return name if is_name and (has_keys or not key) else None


def names_by_label(lake, dump, idoms):
    """What the program calls objects: what its dominator calls each, or else the best of all who refer to it."""
    edges = lake.sql("select parent, child, label from edge where kind <> 'weak' order by parent, idx", "--dump", dump)
    objects = {row[0]: row[1:] for row in lake.sql("select address, type, name from obj", "--dump", dump)}
    edges = [edge for edge in edges if edge[1] in objects]
    names = {}
    for parent, child, label in edges:
        (kind, name), is_namespace = objects[parent], label in NAMESPACES
        if is_namespace and kind == "module" and name is not None and idoms.get(child) != parent:
            names.setdefault(child, name)
    # Whose namespaces there are; small dictionaries among the globals of a module have names for keys, too.
    owners = {}
    for parent, child, label in edges:
        if label in NAMESPACES:
            owners.setdefault(child, []).append(parent)

    def merit(owner):
        kind, name = objects[owner]
        return kind != "module", name is None, name or "", kind

    owners = {namespace: min(parents, key=merit) for namespace, parents in owners.items()}
    of_modules = {namespace for namespace, owner in owners.items() if objects[owner][0] == "module"}
    n_refs = Counter(parent for parent, _, _ in edges)
    tables = {
        child for parent, child, _ in edges
        if parent in of_modules and objects[child][0] == "dict" and child not in owners and n_refs[child] <= 32
    }
    ways = {}
    for parent, child, label in edges:
        if label is None or child in names:
            continue
        found = name_of_label(label, parent in owners or parent in tables)
        if idoms.get(child) == parent:
            if found is not None:
                names[child] = found
            continue
        kind, owner = objects[parent][0], owners.get(parent, parent)
        owner_kind, owner_name = objects[owner]
        if kind == "dict" and owner_kind == "dict":
            rank = 4 if parent in tables else None
        elif kind == "list":
            rank = None
        elif owner_kind == "module" and owner_name is not None:
            rank = 1 if owner_name == "__main__" else 0
        else:
            rank = 2 if owner_name is not None else 3
        is_link = rank != 4 and owner_kind == objects[child][0]
        if found is None or rank is None or is_link or objects[child][1] is not None:
            continue
        way = (rank, "" if rank == 4 else owner_name or owner_kind, found)
        ways[child] = min(way, ways.get(child, way))
    held = {child for parent, child, _ in edges if idoms.get(child) == parent}
    for child, (_, owner, name) in ways.items():
        if child not in names and child not in held:
            names[child] = f"{owner}.{name}" if owner else name
    return names


def holders_by_definition(lake, dump):
    """count, size, retained and retained_count by holder."""
    objects = {
        row[0]: row[1:]
        for row in lake.sql(
            "select address, type, name, size, root_kind, idom, retained, retained_count from obj", "--dump", dump
        )
    }

    names = names_by_label(lake, dump, {address: row[4] for address, row in objects.items()})

    def path(address):
        addresses = []
        while address is not None:
            addresses.append(address)
            address = objects[address][4]
        addresses.reverse()
        kind = objects[addresses[0]][3]
        above = [] if kind not in (None, "cycle") else ["(cycle)" if kind == "cycle" else "(several)"]
        own = {a: objects[a][1] if objects[a][1] is not None else names.get(a) for a in addresses}
        words = [objects[a][0] if own[a] is None else f"{objects[a][0]} {own[a]}" for a in addresses]
        return above + words, addresses

    signatures, loops = {}, {}
    paths = {address: path(address) for address in objects}
    for address, (words, _) in paths.items():
        signature, found = folded(words)
        assert len(signature) < MAX_DEPTH
        signatures[address] = tuple(signature)
        for end, w in found.items():
            loops.setdefault(end, w)
    totals = defaultdict(lambda: [0, 0, 0, 0])
    for address, (_, addresses) in paths.items():
        total = totals[signatures[address]]
        size, retained, retained_count = objects[address][2], objects[address][5], objects[address][6]
        total[0] += 1
        total[1] += size or 0
        if all(signatures[above] != signatures[address] for above in addresses[:-1]):
            total[2] += retained
            total[3] += retained_count
    return {in_words(list(signature), loops): tuple(total) for signature, total in totals.items()}


def holders(lake, dump):
    rows = lake.sql("select holder, count, size, retained, retained_count from holder_stat", "--dump", dump)
    return {row[0]: tuple(row[1:]) for row in rows if row[1] > 0}


@pytest.mark.parametrize("dump", ["py27-1", "py27-3", "py38-1", "py38-3"])
def test_holders_of_real_dumps_are_those_of_the_definition(edx_lake, dump):
    assert holders(edx_lake, dump) == holders_by_definition(edx_lake, dump)


LABELS = [None, ".a", ".b", "local", "['a']", "['b']", "['a b']", "[0]", "<key>", ".__dict__", ".__class__", "['redacted:1:ff']"]


def random_program(chance, path, labels=False):
    """A heap with names, chains and sharing."""
    n = chance.randrange(5, 120)
    lines = []
    for k in range(1, n + 1):
        kind = chance.choice(["dict", "list", "Node", "Leaf", "module", "type"])
        refs = [chance.randrange(1, n + 1) for _ in range(chance.randrange(3))]
        if k < n and chance.random() < 0.7:
            refs.append(k + 1)
        o = {"address": 16 * k, "type": kind, "size": chance.randrange(100), "refs": [16 * r for r in refs]}
        if labels:
            o["labels"] = [chance.choice(LABELS) for _ in refs]
        if kind in ("module", "type"):
            o["name"] = chance.choice(["a", "b", "a b", "x -> y"])
        lines.append(json.dumps(o) + "\n")
    path.write_text("".join(lines))


@pytest.mark.parametrize("labels", [False, True])
def test_holders_of_random_programs_are_those_of_the_definition(lake, tmp_path, labels):
    chance = random.Random(5)
    for i in range(25):
        random_program(chance, tmp_path / "x.json", labels)
        lake.load(tmp_path / "x.json", "x", "--replace")
        wanted = holders_by_definition(lake, "x")
        found = defaultdict(lambda: [0, 0, 0, 0])
        # Names can make two holders read the same.
        for row in lake.sql("select holder, count, size, retained, retained_count from x.holder_stat"):
            for k in range(4):
                found[row[0]][k] += row[1 + k]
        assert {name: tuple(total) for name, total in found.items() if total[0]} == wanted, i


def test_an_index_made_later_gives_the_same_summaries(lake, edx):
    lake.load(edx["py38-1"], "now")
    lake.load(edx["py38-1"], "later", "--no-index")
    assert lake.sql("select count(*) from later.holder_stat") == [(0,)]
    assert "heaplake index later" in lake.fails("diff", "now", "later", "--by", "holder")
    lake.ok("index", "later")
    for table in ("holder_stat", "type_stat"):
        columns = f"select * exclude (dump) from {{}}.{table}"
        assert lake.sql(columns.format("now")) == lake.sql(columns.format("later"))
    assert lake.sql("select count(*) from diff('now', 'later', 'holder') where status <> 'same'") == [(0,)]


@pytest.mark.parametrize("python", ["py27", "py38"])
@pytest.mark.parametrize("by", ["type", "holder"])
def test_diff_is_what_the_summaries_say(edx_lake, python, by):
    table = f"{by}_stat"

    def totals(n):
        rows = edx_lake.sql(f"select {by}, count, size, retained from {table}", "--dump", f"{python}-{n}")
        return {row[0]: row[1:] for row in rows}

    before, after = totals(1), totals(3)
    rows = edx_lake.sql(f"select * from diff('{python}-1', '{python}-3', '{by}') order by rank")
    skipped = 3 if by == "type" else 4
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert {row[1] for row in rows} == before.keys() | after.keys()
    for row in rows:
        a, b = before.get(row[1], (0, 0, 0)), after.get(row[1], (0, 0, 0))
        for k in range(3):
            was, now, delta, percent = row[skipped + 4 * k : skipped + 4 * k + 4]
            assert (was, now, delta) == (a[k], b[k], b[k] - a[k]), row
            assert percent is None if was == 0 else percent == pytest.approx(100 * delta / was), row
        gone, new = row[1] not in after, row[1] not in before
        more = (b[0] - a[0], b[1] - a[1])
        assert row[2] == ("new" if new else "gone" if gone else "same" if more == (0, 0) else "grown" if more > (0, 0) else "shrunk")
    if by == "type":
        deltas = [row[skipped + 6] for row in rows]
        assert deltas == sorted(deltas, reverse=True)


@pytest.mark.parametrize("python", ["py27", "py38"])
def test_the_leak_is_the_first_holder(edx_lake, python):
    truth = json.loads((edx_path(python) / "truth.json").read_text())
    counts = [moment["expected_type_counts"]["CombinedSystem"] for moment in truth["dumps"]]
    for before, after in ((1, 2), (2, 3), (1, 3)):
        (row,) = edx_lake.sql(
            f"select holder, role, count_delta from diff('{python}-{before}', '{python}-{after}', 'holder') where rank = 1"
        )
        holder, role, delta = row
        assert holder.endswith("-> CapaDescriptor -> dict -> (LmsModuleSystem -> dict -> CombinedSystem ->)+")
        assert (role, delta) == ("grows", counts[after - 1] - counts[before - 1])


def edx_path(python):
    from lake import REPOSITORY

    return REPOSITORY / f"datasets/edx/{python}"


SERIES = {
    "Steady": [70] * 9,
    "WarmUp": [10, 40, 60, 60, 60, 60, 60, 60, 60],
    "Sawtooth": [10, 40, 70, 10, 40, 70, 10, 40, 70],
    "SlowLeak": [100, 101, 102, 103, 104, 105, 106, 107, 108],
    "FifthLeak": [10, 10, 10, 10, 15, 20, 25, 30, 35],
    "Outlier": [20, 20, 20, 90, 20, 20, 20, 20, 20],
    "LeakAndOutlier": [10, 20, 30, 40, 2, 60, 70, 80, 90],
    "Shrinking": [90, 80, 70, 60, 50, 40, 30, 20, 10],
    "Late": [0, 0, 0, 0, 0, 0, 3, 6, 9],
}
SHAPES = {
    "Steady": ("flat", None),
    "WarmUp": ("stopped", "d2"),
    "Sawtooth": ("unsteady", None),
    "SlowLeak": ("growing", "d2"),
    "FifthLeak": ("growing", "d5"),
    "Outlier": ("flat", None),
    "LeakAndOutlier": ("growing", "d2"),
    "Shrinking": ("falling", None),
    "Late": ("growing", "d7"),
}


def write_moment(path, moment):
    """A module with a dict that holds a list per type, each with that many objects of 32 bytes."""
    lines, address = [], 1000

    def add(kind, refs, size=32, **more):
        nonlocal address
        address += 16
        lines.append(json.dumps({"address": address, "type": kind, "size": size, "refs": refs, **more}) + "\n")
        return address

    lists = [add("list", [add(name, []) for _ in range(values[moment])], size=64) for name, values in SERIES.items()]
    add("module", [add("dict", lists)], name="shop")
    path.write_text("".join(lines))


@pytest.fixture(scope="module")
def series_lake(tmp_path_factory):
    from lake import Lake

    folder = tmp_path_factory.mktemp("series")
    lake = Lake(folder / "lake")
    for moment in range(9):
        write_moment(folder / "x.json", moment)
        # Two hours between the third and the fourth, one otherwise.
        hour = moment + (1 if moment >= 3 else 0)
        lake.load(folder / "x.json", f"d{moment + 1}", "--taken", f"2015-11-22T{hour:02}:00:00Z")
    return lake


def test_trend_tells_the_shapes_apart(series_lake):
    rows = series_lake.sql("select type, shape, began, monotone from trend('*', 'type', 'count')")
    found = {row[0]: row[1:] for row in rows}
    for name, (shape, began) in SHAPES.items():
        assert found[name][:2] == (shape, began), name
    assert found["SlowLeak"][2] and found["WarmUp"][2] and not found["Sawtooth"][2] and not found["Shrinking"][2]
    # One that is off does not make a leak unsteady.
    assert found["LeakAndOutlier"][2]
    assert found["list"][0] == "flat"


def test_trend_has_the_values_and_the_slope(series_lake):
    rows = series_lake.sql(
        "select type, series, first, last, delta, min, max, dumps, per_hour, per_dump, percent from trend('*', 'type', 'count')"
    )
    hours = [0, 1, 2, 4, 5, 6, 7, 8, 9]
    for name, series, first, last, delta, low, high, dumps, per_hour, per_dump, percent in rows:
        if name not in SERIES:
            continue
        values = SERIES[name]
        assert (series, first, last, delta) == (values, values[0], values[-1], values[-1] - values[0])
        assert (low, high, dumps) == (min(values), max(values), sum(value > 0 for value in values))
        assert percent == (None if first == 0 else pytest.approx(100 * delta / first))
        for times, slope in ((hours, per_hour), (range(9), per_dump)):
            pairs = [(values[j] - values[i]) / (times[j] - times[i]) for i in range(9) for j in range(i + 1, 9)]
            assert slope == pytest.approx(statistics.median(pairs)), name


def test_trend_by_holder_names_the_container(series_lake):
    rows = series_lake.sql("select holder, shape, role, began, series from trend('*', 'holder', 'count') where role = 'grows'")
    holders = {row[0]: row[1:] for row in rows}
    leak = holders["module shop -> dict -> list -> FifthLeak"]
    assert leak == ("growing", "grows", "d5", SERIES["FifthLeak"])
    assert "module shop -> dict -> list -> Steady" not in holders


def test_a_trend_of_some_dumps_and_of_none(series_lake, lake):
    (row,) = series_lake.sql("select shape, dumps, delta from trend('d3', 'type', 'count') where type = 'FifthLeak'")
    assert row == ("flat", 1, 0)
    assert "no dump" in series_lake.fails("trend", "nothing")
    assert "did you mean holder?" in series_lake.fails("sql", "select * from trend('*', 'holdr')")
    assert "diff: it takes two dumps" in series_lake.fails("sql", "select * from diff('d1')")
    assert "is not a lake" in lake.fails("trend")


def test_hostile_names_are_shown_escaped(lake, tmp_path):
    lines = []
    for i, name in enumerate(heaps.NASTY):
        lines.append({"address": 16 * (i + 1), "type": "module", "name": name, "size": 8, "refs": [8000 + 16 * i]})
        lines.append({"address": 8000 + 16 * i, "type": "\x1b[2J" + name, "size": 8, "refs": []})
    for dump, n in (("a", 10), ("b", len(lines))):
        (tmp_path / "x.json").write_text("".join(json.dumps(line) + "\n" for line in lines[:n]))
        lake.load(tmp_path / "x.json", dump)
    for args in (["diff", "a", "b", "--by"], ["trend", "--by"]):
        for by in ("type", "holder", "module"):
            shown = lake.ok(*args, by, "--all", "-n", "1000", "--format", "table")
            assert "\x1b" not in shown and "\u202e" not in shown and "\x00" not in shown
