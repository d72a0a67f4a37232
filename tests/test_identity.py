"""Which object of one dump is which of another: both rules against the obvious way, on pairs of heaps with slots used again."""

import collections
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake import Lake
from obvious import WEAK_TYPES

VALUES = {"bytes", "int", "long", "float", "complex", "bool", "NoneType", "range", "xrange"}
TEXTS = {"str", "unicode"}
TUPLES = {"tuple", "frozenset"}
TYPES = ["str", "int", "float", "tuple", "frozenset", "dict", "list", "function", "module", "type", "frame", "app.Item", "weakref"]
NAMED = {"function", "module", "type"}


# Heaps


def random_object(chance, address, addresses):
    kind = chance.choice(TYPES)
    o = {"address": address, "type": kind, "size": chance.choice([16, 32, 48])}
    if chance.random() < 0.1:
        del o["size"]
    if kind in NAMED and chance.random() < 0.9:
        o["name"] = chance.choice(["a", "b"])
    elif kind in TEXTS | VALUES | {"frame", "app.Item"} and kind != "float" and chance.random() < 0.9:
        o["value"] = chance.choice(["x", "y", 1])
    if kind in TEXTS | TUPLES | {"dict", "list"} and chance.random() < 0.9:
        o["len"] = chance.randrange(3)
    o["refs"] = [chance.choice(addresses) for _ in range(chance.choice([0, 0, 1, 2, 3, 5]))]
    return o


def moment(chance, heap, addresses):
    """The same process later: most is as it was; some objects are gone, slots are used again, contents differ."""
    later = {}
    for address, o in heap.items():
        o = json.loads(json.dumps(o))
        fate = chance.random()
        if fate < 0.1:
            continue
        if fate < 0.3:
            o = random_object(chance, address, addresses)
        elif fate < 0.5:
            # The same type, so that the slot looks as before.
            other = random_object(chance, address, addresses)
            while other["type"] != o["type"]:
                other = random_object(chance, address, addresses)
            o = other
        elif fate < 0.7:
            o["refs"] = o["refs"][: chance.randrange(3)] + [chance.choice(addresses)]
            o["len"] = len(o["refs"])
            o["size"] = chance.choice([16, 32, 64])
        later[address] = o
    for address in addresses:
        if address not in heap and chance.random() < 0.5:
            later[address] = random_object(chance, address, addresses)
    return later


def moments(seed, n=2):
    chance = random.Random(seed)
    addresses = chance.sample(range(16, 2000, 16), 3 + seed % 25)
    used = addresses[: 1 + len(addresses) * 3 // 4]
    heaps = [{address: random_object(chance, address, addresses) for address in used}]
    while len(heaps) < n:
        heaps.append(moment(chance, heaps[-1], addresses))
    return heaps


def load(lake, tmp_path, heaps):
    for name, heap in heaps.items():
        file = tmp_path / f"{name}.dump"
        file.write_text("".join(json.dumps(o) + "\n" for o in heap.values()))
        lake.load(file, name, "--on-error", "skip")


class Facts:
    """What is known of the objects of a dump, taken from its tables."""

    def __init__(self, lake, dump):
        columns = ["type", "name", "value", "size", "len", "retained", "idom"]
        rows = lake.sql(f"select address, {', '.join(columns)} from obj", "--dump", dump)
        self.objects = {address: dict(zip(columns, row)) for address, *row in rows}
        self.refs = collections.defaultdict(list)
        for parent, child in lake.sql("select parent, child from edge order by parent, idx", "--dump", dump):
            self.refs[parent].append(child)
        self.roots = lake.sql("select kind, address from root order by address", "--dump", dump)


# The rule by address, as docs/identity.md says it


def both_known_and_differ(a, b):
    return a is not None and b is not None and a != b


def by_address(a, b):
    """Partners and what is thought of them; what is thought of pairs that are none."""
    may, refused = {}, {}
    for address, ours in a.objects.items():
        theirs = b.objects.get(address)
        if theirs is None or ours["type"] != theirs["type"]:
            continue
        judgement = refusal(ours, theirs)
        if judgement:
            refused[address] = judgement
        else:
            may[address] = theirs
    pairs = {}
    for address, theirs in may.items():
        judgement = judge(a, b, address, a.objects[address], theirs, may)
        if judgement is None:
            refused[address] = ("high", "references")
        else:
            pairs[address] = judgement
    return pairs, refused


def refusal(ours, theirs):
    if both_known_and_differ(ours["name"], theirs["name"]):
        return "medium", "name"
    # The value counts where there is no name.
    values = ours["name"] is None and theirs["name"] is None and both_known_and_differ(ours["value"], theirs["value"])
    lens = both_known_and_differ(ours["len"], theirs["len"])
    sizes = both_known_and_differ(ours["size"], theirs["size"])
    kind = ours["type"]
    if (
        (kind in VALUES and (values or lens or sizes))
        or (kind in TEXTS and (values or lens or (sizes and theirs["size"] < ours["size"])))
        or (kind in TUPLES and (lens or sizes))
        or (kind == "frame" and (values or sizes))
    ):
        return "high", "value"
    return None


def judge(a, b, address, ours, theirs, may):
    kind = ours["type"]
    if ours["name"] is not None and ours["name"] == theirs["name"]:
        return "high", "name"
    mine, others = a.refs[address], b.refs[address]

    def equal(x, y):
        # A child that was not dumped fits everything.
        return x not in a.objects or (x if x in may else None) == (y if y in b.objects else None)

    is_equal = len(mine) == len(others) and all(map(equal, mine, others))
    if kind in TUPLES and not is_equal:
        return None
    nameless = ours["name"] is None and theirs["name"] is None
    values = nameless and ours["value"] is not None and theirs["value"] is not None
    if kind in VALUES and values:
        return "high", "value"
    if kind in TEXTS and values:
        return ("high" if ours["size"] == theirs["size"] else "medium"), "value"
    if kind not in VALUES | TEXTS | TUPLES | {"frame"} and values and ours["value"] != theirs["value"]:
        return "low", "value"

    def tell(facts, children):
        return {child for child in children if child in facts.objects and facts.objects[child]["name"] is None}

    mine, others = tell(a, mine), tell(b, others)
    fewer = min(len(mine), len(others))
    common = sum(child in others and child in may for child in mine)
    if is_equal:
        return ("high", "references") if mine & may.keys() else ("medium", "address")
    if fewer == 0:
        return "medium", "address"
    if common == 0:
        return "low", "references"
    return ("high" if 2 * common >= fewer else "medium"), "references"


def status(ours, theirs):
    for column in ("size", "len"):
        if both_known_and_differ(ours[column], theirs[column]):
            return "grown" if theirs[column] > ours[column] else "shrunk"
    if ours["name"] is None and theirs["name"] is None and both_known_and_differ(ours["value"], theirs["value"]):
        return "changed"
    return "same"


# The rule by path


def by_path(a, b):
    partners, sure = {}, set()
    queue = collections.deque()

    def pair_up(ours, theirs, parents_are_sure):
        ours = [x for x in dict.fromkeys(ours) if x[1] not in partners]
        theirs = [y for y in dict.fromkeys(theirs) if y[1] not in partners.values()]
        places = {x: i for i, x in reversed(list(enumerate(ours)))}
        found = []
        for slot_of in (key_slot, other_slot):
            slots = collections.defaultdict(lambda: ([], []))
            for side, (facts, children) in enumerate(((a, ours), (b, theirs))):
                for child in children:
                    slot = slot_of(child[0], facts.objects[child[1]])
                    if slot is not None:
                        slots[slot][side].append(child)
            for mine, others in slots.values():
                is_only = len(mine) == len(others) == 1
                found += [(places[x], x[1], y[1], is_only) for x, y in zip(mine, others)]
            done = {x for _, x, _, _ in found}, {y for _, _, y, _ in found}
            ours = [x for x in ours if x[1] not in done[0]]
            theirs = [y for y in theirs if y[1] not in done[1]]
        for _, x, y, is_only in sorted(found):
            partners[x] = y
            if parents_are_sure and is_only:
                sure.add(x)
            queue.append(x)

    pair_up(a.roots, b.roots, True)
    while queue:
        x = queue.popleft()
        pair_up(followed(a, x), followed(b, partners[x]), x in sure)
    return partners, sure


def followed(facts, address):
    if facts.objects[address]["type"] in WEAK_TYPES:
        return []
    return [("", child) for child in facts.refs[address] if child in facts.objects]


def key_slot(group, o):
    key = ("name", o["name"]) if o["name"] is not None else ("value", o["value"])
    return (group, o["type"], key) if key[1] is not None else None


def other_slot(group, o):
    return (group, o["type"]) if o["name"] is None else None


# What the answer is to be


def expected(a, b, rule):
    rows = []

    def row(status, judgement, x, y):
        ours, theirs = a.objects.get(x), b.objects.get(y)
        one = ours or theirs
        side = lambda o, column: o[column] if o else None
        delta = None
        if all(o is None or o["size"] is not None for o in (ours, theirs)):
            delta = (theirs["size"] if theirs else 0) - (ours["size"] if ours else 0)
        name = side(ours, "name") if side(ours, "name") is not None else side(theirs, "name")
        rows.append((
            status, *judgement, rule, one["type"], name, x, y, side(ours, "size"), side(theirs, "size"), delta,
            side(ours, "len"), side(theirs, "len"), len(a.refs[x]) if ours else None,
            len(b.refs[y]) if theirs else None, side(ours, "retained"), side(theirs, "retained"),
        ))

    if rule == "address":
        pairs, refused = by_address(a, b)
        for x in a.objects:
            if x in pairs:
                row(status(a.objects[x], b.objects[x]), pairs[x], x, x)
            else:
                row("gone", refused.get(x, ("high", "address")), x, None)
        for y in b.objects.keys() - pairs.keys():
            row("new", refused.get(y, ("high", "address")), None, y)
    else:
        partners, sure = by_path(a, b)
        alone = {o["type"] for x, o in a.objects.items() if x not in partners}
        taken = set(partners.values())
        alone &= {o["type"] for y, o in b.objects.items() if y not in taken}
        for x, y in partners.items():
            row(status(a.objects[x], b.objects[y]), ("medium" if x in sure else "low", "path"), x, y)
        for x in a.objects.keys() - partners.keys():
            row("gone", ("low" if a.objects[x]["type"] in alone else "medium", "path"), x, None)
        for y in b.objects.keys() - taken:
            row("new", ("low" if b.objects[y]["type"] in alone else "medium", "path"), None, y)
    return sorted(rows, key=order)


def order(row):
    return row[4].encode(), row[6] if row[6] is not None else row[7], row[6] is None


SEEN = collections.Counter()


@pytest.mark.parametrize("first", range(0, 120, 10))
def test_both_rules_are_what_they_say(first, tmp_path):
    for seed in range(first, first + 10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        lake = Lake(folder / "lake")
        before, after = moments(seed)
        load(lake, folder, {"a": before, "b": after})
        a, b = Facts(lake, "a"), Facts(lake, "b")
        for rule in ("address", "path"):
            rows = lake.sql(f"select * from diff_objects('a', 'b', '{rule}')")
            assert rows == expected(a, b, rule), (seed, rule)
            for condition, holds in [
                ("status = 'grown'", lambda status: status == "grown"),
                ("status not in ('same', 'new')", lambda status: status not in ("same", "new")),
                ("status > 'gone' and type <> 'str'", lambda status: status > "gone"),
            ]:
                some = lake.sql(f"select * from diff_objects('a', 'b', '{rule}') where {condition}")
                assert some == [r for r in rows if holds(r[0]) and (r[4] != "str" or "type" not in condition)], seed
            SEEN.update((rule, row[0], row[1], row[2]) for row in rows)


def test_the_heaps_had_everything():
    """Runs after the other, whose heaps it counts."""
    if not SEEN:
        pytest.skip("the pairs were not looked at")
    assert {key[1] for key in SEEN} == {"new", "gone", "same", "grown", "shrunk", "changed"}
    assert {key[1:] for key in SEEN if key[0] == "address" and key[1] == "gone"} == {
        ("gone", "high", "address"), ("gone", "high", "value"), ("gone", "high", "references"), ("gone", "medium", "name"),
    }
    for confidence in ("high", "medium", "low"):
        assert any(key[0] == "address" and key[2] == confidence and key[3] == "references" for key in SEEN)


def test_growing_and_surviving_are_what_they_say(tmp_path):
    n_growing = n_survivors = 0
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        lake = Lake(folder / "lake")
        heaps = moments(seed, 3)
        for k, heap in enumerate(heaps):
            for o in heap.values():
                if o["type"] in ("dict", "list") and o["address"] % 32 == 0:
                    # Without this hardly anything grows twice.
                    o["len"], o["refs"] = (o.get("len") or 0) + 5 * k, o["refs"] + [16] * (3 * k)
        load(lake, folder, dict(zip("abc", heaps)))
        # Which rule is taken is not what this is about.
        facts = [Facts(lake, dump) for dump in "abc"]
        rules = [lake.sql(f"select identity from diff_objects('{x}', '{y}') limit 1")[0][0] for x, y in ("ab", "bc")]
        steps = [paired(*pair, rule) for pair, rule in zip(zip(facts, facts[1:]), rules)]
        growing = []
        for first in steps[0]:
            chain = [first, steps[0][first], steps[1].get(steps[0][first])]
            if chain[2] is None:
                continue
            objects = [f.objects[x] for f, x in zip(facts, chain)]
            lens = [o["len"] for o in objects]
            refs = [len(f.refs[x]) for f, x in zip(facts, chain)]
            by_len = None not in lens and lens[0] < lens[1] < lens[2]
            if by_len or refs[0] < refs[1] < refs[2]:
                growth = lens[2] - lens[0] if by_len else refs[2] - refs[0]
                growing.append((-growth, objects[2]["type"].encode(), chain[2]))
        rows = lake.sql("select growth, type, address from growing_containers('a', 'b', 'c')")
        assert [(-growth, kind.encode(), address) for growth, kind, address in rows] == sorted(growing), seed
        n_growing += len(growing)
        new = facts[1].objects.keys() - set(steps[0].values())
        survivors = sorted((facts[2].objects[steps[1][x]]["type"].encode(), steps[1][x]) for x in new if x in steps[1])
        rows = lake.sql("select type, address from survivors('a', 'b', 'c')")
        assert [(kind.encode(), address) for kind, address in rows] == survivors, seed
        n_survivors += len(survivors)
    assert n_growing > 10 and n_survivors > 10, (n_growing, n_survivors)


def paired(a, b, rule):
    if rule == "path":
        return by_path(a, b)[0]
    return {x: x for x in by_address(a, b)[0]}


def test_the_process_decides_and_else_what_has_a_name(tmp_path):
    def heap(base, n):
        return {base + 16 * i: {"address": base + 16 * i, "type": "function", "size": 8, "name": f"f{i}", "refs": []} for i in range(n)}

    def chosen(lake, a, b):
        return {row[0] for row in lake.sql(f"select identity from diff_objects('{a}', '{b}')")}

    lake = Lake(tmp_path / "lake")
    moved = heap(16, 5) | {16 * i: dict(heap(16, 9)[16 * i], name="other") for i in range(6, 10)}
    files = {"here": heap(16, 9), "there": heap(1 << 20, 9), "most": moved, "few": heap(16, 4) | heap(1 << 20, 5)}
    load(lake, tmp_path, files)
    # Of nine, five are where they were, or four.
    assert chosen(lake, "here", "here") == {"address"}
    assert chosen(lake, "here", "most") == {"address"}
    assert chosen(lake, "here", "few") == {"path"}
    assert chosen(lake, "here", "there") == {"path"}
    for name, host, pid in (("p1", "h", 7), ("p2", "h", 7), ("q", "h", 8), ("r", "i", 7)):
        file = "here.dump" if name != "p2" else "there.dump"
        about = {"format": 1, "host": host, "pid": pid}
        marks = [{"address": 0, "type": "heaplake capture", "size": 0, "capture": about, "refs": []}]
        marks += [{"address": 1, "type": "heaplake capture", "size": 0, "end": {"objects": 9}, "refs": []}]
        first, last = (json.dumps(mark) + "\n" for mark in marks)
        (tmp_path / name).write_text(first + (tmp_path / file).read_text() + last)
        # What a user says of a dump changes nothing.
        lake.load(tmp_path / name, name, "--tag", "host=h", "--tag", "pid=1")
    assert chosen(lake, "p1", "p2") == {"address"}
    assert chosen(lake, "p1", "q") == {"path"}
    assert chosen(lake, "p1", "r") == {"path"}


def test_labels_lead_by_path(lake, tmp_path):
    """By their places the two objects would be each other; one without label is no one's that has one."""
    lines = '{{"address": {0}, "type": "module", "size": 1, "name": "m", "refs": [{1}, {2}, {3}]}}\n'
    lines += "".join('{{"address": {%d}, "type": "A", "size": %d, "refs": []}}\n' % (i, i) for i in (1, 2, 3))
    for name, addresses in (("a", (16, 32, 48, 64)), ("b", (1016, 1048, 1032, 1064))):
        (tmp_path / name).write_text(lines.format(*addresses))
        lake.load(tmp_path / name, name)
    by_place = lake.sql("select address_before, address_after from diff_objects('a', 'b', 'path')")
    assert (32, 1048) in by_place and (48, 1032) in by_place
    relabel(lake, "a", [".p", ".q", ".r"])
    by_one = lake.sql("select address_before, address_after from diff_objects('a', 'b', 'path')")
    assert by_one == by_place
    relabel(lake, "b", [".q", ".p", None])
    by_label = lake.sql("select status, address_before, address_after from diff_objects('a', 'b', 'path') order by 2, 3")
    assert by_label == [
        ("same", 16, 1016), ("grown", 32, 1032), ("shrunk", 48, 1048), ("gone", 64, None), ("new", None, 1064),
    ]


def relabel(lake, dump, labels):
    """No format that is read yet says labels, so the file of `edge` is written anew."""
    [edges] = (lake.path / "edge" / f"dump={dump}").glob("*.parquet")
    table = pq.ParquetFile(edges).read()
    field = table.schema.field("label")
    column = table.schema.get_field_index("label")
    pq.write_table(table.set_column(column, field, pa.array(labels, field.type)), edges, compression="zstd")
    manifest = lake.path / "dumps" / f"{dump}.json"
    content = json.loads(manifest.read_text())
    for entry in content["files"]:
        if entry["path"].endswith(edges.name):
            entry["bytes"] = edges.stat().st_size
    manifest.write_text(json.dumps(content))


def test_real_dumps(edx_lake):
    for python in ("py27", "py38"):
        ((identity, n_same, n_rows),) = edx_lake.sql(
            f"""select min(identity), count(*) filter (where status = 'same' and address_before = address_after), count(*)
                from diff_objects('{python}-2', '{python}-2')"""
        )
        ((objects,),) = edx_lake.sql(f'select count(*) from "{python}-2".obj')
        assert (identity, n_same, n_rows) == ("address", objects, objects)
        ((n_same,),) = edx_lake.sql(
            f"""select count(*) from diff_objects('{python}-2', '{python}-2', 'path')
                where status = 'same' and address_before = address_after"""
        )
        assert n_same == objects
        # By path what by address is sure is found again, nearly all of it.
        ((n_sure, n_found),) = edx_lake.sql(
            f"""select count(*), count(*) filter (where p.address_after = a.address_after)
                from diff_objects('{python}-1', '{python}-3', 'address') a
                join diff_objects('{python}-1', '{python}-3', 'path') p on p.address_before = a.address_before
                where a.confidence = 'high' and a.address_after is not null"""
        )
        assert n_sure > 30_000 and n_found > 0.96 * n_sure, (python, n_found, n_sure)
    assert edx_lake.sql("select distinct identity from diff_objects('py27-1', 'py38-1')") == [("path",)]


def test_a_dump_whose_scan_is_split(big_dump, lake):
    """Rows are known by their place; a file of more than a megabyte is read in parts."""
    lake.load(big_dump, "a")
    lake.load(big_dump, "b")
    plan = lake.ok("sql", "--format", "tsv", "explain select status from diff_objects('a', 'b')")
    assert ".parquet:0.." in plan, plan
    ((n_rows, n_same),) = lake.sql(
        "select count(*), count(*) filter (where status = 'same') from diff_objects('a', 'b')"
    )
    assert n_rows == n_same == 300_000
    rows = lake.sql("select type, address_before from diff_objects('a', 'b')")
    assert rows == sorted(rows, key=lambda row: (row[0].encode(), row[1]))


def test_mistakes_are_explained(edx_lake):
    for call, words in [
        ("diff_objects('py38-1')", ["two dumps", "diff_objects('before', 'after'"]),
        ("diff_objects('py38-1', 'py38-2', 'name')", ["'address'", "'path'"]),
        ("diff_objects('py38-1', 'nothing')", ["no dump"]),
        ("diff_objects('py38-1', 2)", ["no constant text"]),
        ("survivors('py38-1', 'py38-2')", ["three dumps"]),
        ("growing_containers('py38-1')", ["two dumps or more"]),
    ]:
        message = edx_lake.fails("sql", f"select * from {call}")
        assert all(word in message for word in words), message


def test_a_memory_limit_is_kept(edx_lake):
    query = "select count(*) from diff_objects('py38-1', 'py38-3')"
    assert edx_lake.sql(query, "--memory-limit", "64MB") == edx_lake.sql(query)
    assert "memory" in edx_lake.fails("sql", "--memory-limit", "1MB", query)
