"""What a dump says, read by Python's json module and nothing of heaplake: the other side of every comparison."""

import gzip
import json
from collections import Counter, namedtuple

from obvious import WEAK_TYPES

Obj = namedtuple("Obj", "address type name value size len")
Edge = namedtuple("Edge", "parent child idx")


class Dump:
    """The tables of a dump, in the order that the lake promises."""

    def __init__(self, objects):
        """`objects`: the JSON objects in the order of the file. The first of an address counts."""
        first = {}
        for o in objects:
            first.setdefault(o["address"], o)
        self.obj = sorted(map(row, first.values()), key=lambda o: (o.type.encode(), o.address))
        edges = (
            Edge(o["address"], child, idx) for o in first.values() for idx, child in enumerate(o.get("refs") or [])
        )
        self.edge = sorted(edges, key=lambda edge: (edge.parent, edge.idx))
        children = {edge.child for edge in self.edge if first[edge.parent]["type"] not in WEAK_TYPES}
        self.unreferenced = sorted(first.keys() - children)
        #: Those whose kind of root is "unreferenced": modules and running frames have kinds of their own.
        self.unreferenced_roots = [a for a in self.unreferenced if first[a]["type"] not in ("module", "frame")]
        self.dangling = sum(edge.child not in first for edge in self.edge)

    def histogram(self):
        """Type to (count, sum of sizes, largest size)."""
        groups = {}
        for o in self.obj:
            groups.setdefault(o.type, []).append(o.size)
        return {name: (len(sizes), sum(s or 0 for s in sizes), largest(sizes)) for name, sizes in groups.items()}

    def edges_by_type(self):
        """(type of the parent, type of the child or None) to number of edges."""
        types = {o.address: o.type for o in self.obj}
        return Counter((types[edge.parent], types.get(edge.child)) for edge in self.edge)

    def in_degree(self):
        return Counter(edge.child for edge in self.edge)


def read(path):
    """Reads the lines of a meliae dump, gzipped or not."""
    opener = gzip.open if path.read_bytes()[:2] == b"\x1f\x8b" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return Dump(json.loads(line) for line in lines)


def row(o):
    return Obj(o["address"], o["type"], o.get("name"), value_text(o.get("value")), o.get("size"), o.get("len"))


def value_text(value):
    """The text of a value: a string is itself, a number is its digits."""
    return value if value is None or isinstance(value, str) else str(value)


def largest(sizes):
    return max((size for size in sizes if size is not None), default=None)
