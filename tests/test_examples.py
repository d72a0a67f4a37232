"""The converters in examples/: what they make of a small dump is imported and has the graph of the program."""

import gc
import json
import shutil
import struct
import subprocess
import sys

import pytest

from lake import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

NODE_PROGRAM = """
class Line { constructor(n) { this.quantity = n + 0.5; } }
class Order { constructor(id) { this.note = 'note ' + id; this.lines = [new Line(id), new Line(-id)]; this['two words'] = {}; } }
globalThis.CACHE = new Map();
for (let i = 0; i < 100; i++) globalThis.CACHE.set('order-' + i, new Order(i));
globalThis.weakly = new WeakRef(new Order(1000));
require('v8').writeHeapSnapshot(process.argv[1]);
"""


def convert(program, dump, folder):
    subprocess.run([sys.executable, EXAMPLES / program, dump, folder], check=True, capture_output=True, timeout=120)
    return ["--objects", folder / "objects.csv", "--edges", folder / "edges.csv", "--roots", folder / "roots.csv"]


def rows(lake, query):
    return [json.loads(line) for line in lake.ok("sql", "--format", "ndjson", query).splitlines()]


@pytest.mark.skipif(not shutil.which("node"), reason="no Node is on the path")
def test_heap_snapshots_of_v8(lake, tmp_path):
    dump = tmp_path / "app.heapsnapshot"
    subprocess.run(["node", "-e", NODE_PROGRAM, dump], check=True, capture_output=True, timeout=120)
    lake.ok("import", *convert("heapsnapshot.py", dump, tmp_path / "tables"), "--dump", "app")
    snapshot = json.loads(dump.read_bytes())["snapshot"]
    (counts,) = rows(lake, "select count(*) as objects, count(distinct address) as addresses from obj")
    assert counts == {"objects": snapshot["node_count"], "addresses": snapshot["node_count"]}
    assert rows(lake, "select count(*) as n from obj where type = 'Line'")[0]["n"] >= 200
    text = lake.ok("path", "--dump", "app", "root ..> Map ..{1,3}> Order -.lines-> Array")
    assert "-.lines->" in text, text
    labels = {row["label"] for row in rows(lake, "select e.label from edge e join obj o on o.address = e.parent where o.type = 'Order'")}
    assert {".note", ".lines", '["two words"]'} <= labels, labels
    notes = rows(
        lake,
        "select s.value from obj o join edge e on e.parent = o.address and e.label = '.note' join obj s on s.address = e.child "
        "where o.type = 'Order'",
    )
    assert {f"note {i}" for i in range(100)} <= {row["value"] for row in notes}
    assert rows(lake, "select count(*) as n from edge where kind = 'weak'")[0]["n"] > 0
    (total,) = rows(lake, "select sum(size) as size, max(retained) as retained from obj")
    assert total["retained"] <= total["size"]
    assert rows(lake, "select kind, count(*) as n from root where kind = 'heap' group by kind") == [{"kind": "heap", "n": 1}]


class ShopUser:
    pass


class ShopSession:
    def __init__(self, user):
        self.user = user
        self.data = ["x" * 100]


def pyheap_dump(path, locals_of_frame):
    """Writes the objects that can be reached from the locals of a frame as PyHeap (version 1) does."""
    out = bytearray()
    u16, u32, u64 = (lambda n, form=form: out.extend(struct.pack(form, n)) for form in ("!H", "!I", "!Q"))

    def text(value):
        data = value.encode()
        u16(len(data))
        out.extend(data)

    def attributes(pairs):
        u32(len(pairs))
        for name, value in pairs:
            if name in frequent:
                out.extend(struct.pack("!h", -1 - frequent.index(name)))
            else:
                text(name)
            u64(id(value))

    frequent = ["__doc__", "user"]
    common = [int, str, list, dict]
    u64(123_000_321), u32(1), text("2026-01-01T00:00:00+00:00"), u64(1)
    u32(1), text("MainThread"), out.extend(b"\1\0")
    u32(1), text("shop.py"), u32(7), text("main"), u32(len(locals_of_frame))
    for name, value in locals_of_frame.items():
        text(name), u64(id(value))
    u32(len(frequent))
    for name in frequent:
        text(name)
    u32(len(common))
    for kind in common:
        u64(id(kind)), attributes([("__doc__", kind.__doc__)])
    seen, waiting = {}, list(locals_of_frame.values())
    while waiting:
        value = waiting.pop()
        if id(value) not in seen and not isinstance(value, type(sys)):
            seen[id(value)] = value
            waiting += gc.get_referents(value)
    u32(len(seen))
    for value in seen.values():
        referents = gc.get_referents(value)
        u64(id(value)), u64(id(type(value))), u32(sys.getsizeof(value)), u32(len(referents))
        for referent in referents:
            u64(id(referent))
        if type(value) not in common:
            attributes([("__dict__", vars(value)), *vars(value).items()] if isinstance(value, (ShopSession, ShopUser)) else [])
        text(str(value)[:100] if isinstance(value, (str, int)) else "")
    types = {id(type(value)): type(value).__name__ for value in seen.values()}
    u32(len(types))
    for address, name in types.items():
        u64(address), text(name)
    u64(123_000_321)
    path.write_bytes(out)
    return seen


def test_dumps_of_pyheap(lake, tmp_path):
    cache = {f"session-{i}": ShopSession(ShopUser()) for i in range(20)}
    # Those whose `__dict__` was asked for have a dictionary, since CPython 3.11 others have none.
    for i in range(10):
        vars(cache[f"session-{i}"])
    seen = pyheap_dump(tmp_path / "app.pyheap", {"cache": cache})
    options = convert("pyheap.py", tmp_path / "app.pyheap", tmp_path / "tables")
    lake.ok("import", *options, "--format", "capture", "--dump", "app", "--on-error", "skip")
    assert rows(lake, "select count(*) as n from obj") == [{"n": len(seen)}]
    assert rows(lake, "select count(*) as n from obj where type = 'ShopSession'") == [{"n": 20}]
    (root,) = rows(lake, "select r.kind, o.type, o.address from root r join obj o on o.address = r.address where r.kind like 'thread%'")
    assert root == {"kind": "thread MainThread", "type": "dict", "address": id(cache)}
    users = "from edge e join obj o on o.address = e.child join obj p on p.address = e.parent where o.type = 'ShopUser'"
    labels = {(row["type"], row["label"]): row["n"] for row in rows(lake, f"select p.type, e.label, count(*) as n {users} group by 1, 2")}
    assert set(labels) <= {("ShopSession", ".user"), ("dict", "['user']")} and sum(labels.values()) == 20, labels
    text = lake.ok("path", "--dump", "app", "root ..> ShopSession -.user|.__dict__-> * ..{0,1}> ShopUser")
    assert "ShopUser" in text, text
    (texts,) = rows(lake, f"select count(*) as n from obj where type = 'str' and value = '{'x' * 100}'")
    assert texts["n"] > 0
    (size,) = rows(lake, f"select size from obj where address = {id(cache)}")
    assert size["size"] == sys.getsizeof(cache)
    cut = (tmp_path / "app.pyheap").read_bytes()[:-20]
    (tmp_path / "cut.pyheap").write_bytes(cut)
    broken = subprocess.run(
        [sys.executable, EXAMPLES / "pyheap.py", tmp_path / "cut.pyheap", tmp_path / "no"], capture_output=True, text=True
    )
    assert broken.returncode != 0 and not (tmp_path / "no").exists()
