"""Makes small random heaps, and random patterns that use every construct of the path language."""

import json
import random
from dataclasses import replace

import matcher
from matcher import ANY, ROOT, Between, Edge, Group, Node, Pattern, Such, Where

TYPES = ["app.Node", "lib.Node", "Node", "app.Node", "dict", "list", "dict", 'odd "x" /type', "weakref", "module"]

NAMED = ["Node", "app.Node", "lib.Node", "dict", "list", "module"]
GLOBS = ["*Node", "a*", "N*e", "*.Node", "*i*t"]
REGEXES = ["^app", "Node$", "i[cs]t", '"x" /', "^[^.]*$"]

PREDICATES = [
    Where("size > 4", lambda o: o.size > 4),
    Where("size <= 3", lambda o: o.size <= 3),
    Where("len is null", lambda o: o.len is None),
    Where("len between 1 and 9", lambda o: o.len is not None and 1 <= o.len <= 9),
    Where("type like '%Node'", lambda o: o.type.endswith("Node")),
    Where("name = 'it''s)' or size = 1", lambda o: o.name == "it's)" or o.size == 1),
    Where("root_kind = 'cycle' or root_kind is null", lambda o: o.root_kind in ("cycle", None)),
    Where("(address % 2 = 0) and not (type = 'list')", lambda o: o.address % 2 == 0 and o.type != "list"),
    Where("value = '->'", lambda o: o.value == "->"),
]
CUTS = [
    Where("idx = 0", lambda r, parent, child: r.idx == 0),
    Where("idx > 0 and parent % 2 = 0", lambda r, parent, child: r.idx > 0 and r.parent % 2 == 0),
    Where("child_type like '%Node'", lambda r, parent, child: child.type.endswith("Node")),
    Where("parent_type = child_type", lambda r, parent, child: parent.type == child.type),
    Where("parent = child", lambda r, parent, child: parent == child),
]


def heap_text(seed):
    """The dump file of a heap of at most eight objects: few types, many references, some to nothing."""
    chance = random.Random(seed)
    n = chance.randrange(2, 9)
    top = 2**64 if seed % 7 == 0 else 200
    addresses = chance.sample(range(top - 190, top), n)
    return "".join(object_text(chance, address, addresses) for address in addresses)


def object_text(chance, address, addresses):
    o = {"address": address, "type": chance.choice(TYPES), "size": chance.randrange(1, 9)}
    if chance.random() < 0.4:
        o["len"] = chance.randrange(12)
    if chance.random() < 0.3:
        o["name"] = chance.choice(["it's)", "x"])
    if chance.random() < 0.3:
        o["value"] = chance.choice(["->", "y"])
    o["refs"] = [chance.choice([*addresses, 7]) for _ in range(chance.choice([0, 1, 1, 2, 2, 3]))]
    return json.dumps(o) + "\n"


class Maker:
    """Makes patterns for one heap."""

    def __init__(self, seed, heap):
        self.chance = random.Random(seed)
        self.addresses = sorted(heap.objects)
        self.names = 0

    def term(self):
        form = self.chance.random()
        if form < 0.28:
            return matcher.named(self.chance.choice(NAMED))
        if form < 0.62:
            return ANY
        if form < 0.71:
            return ROOT
        if form < 0.8:
            return matcher.at(self.chance.choice(self.addresses), self.chance.choice(["@{}", "@{:#x}"]))
        if form < 0.88:
            return matcher.glob(self.chance.choice(GLOBS))
        if form < 0.94:
            return matcher.regex(self.chance.choice(REGEXES))
        return matcher.exactly(self.chance.choice(TYPES))

    def terms(self):
        return tuple(self.term() for _ in range(self.chance.choice([1, 1, 1, 2, 3])))

    def node(self):
        named, where = self.chance.random() < 0.3, self.chance.random() < 0.15
        return Node(self.terms(), self.name() if named else None, self.chance.choice(PREDICATES) if where else None)

    def name(self):
        self.names += 1
        return f"x{self.names}"

    def edge(self):
        way = self.chance.choice(["->", "->", "<-"])
        counts = [(1, 1)] * 4 + [(1, None)] * 2 + [(1, 2), (2, 2), (2, None), (1, 3), (0, 2), (0, None)]
        return Edge(way, *self.chance.choice(counts))

    def group(self, depth):
        alternatives = tuple(self.row(depth - 1, True) for _ in range(self.chance.choice([1, 1, 1, 2, 3])))
        counts = [(1, 1), (1, 1), (0, 1), (0, None), (1, None), (2, 2), (1, None), (2, None), (0, 2), (1, 3)]
        once = Group(alternatives)
        return once if is_node(once) else Group(alternatives, *self.chance.choice(counts))

    def place(self, depth):
        return self.group(depth) if depth and self.chance.random() < 0.35 else self.node()

    def row(self, depth, open_ends=False):
        """Nodes, groups and arrows, mostly in turn; within a group it may begin and end with an arrow."""
        parts = [self.place(depth)]
        for _ in range(self.chance.choice([0, 1, 1, 1, 1, 2])):
            place = self.place(depth)
            meet = isinstance(place, Group) or isinstance(parts[-1], Group) and not is_node(parts[-1])
            parts += [place] if meet and self.chance.random() < 0.3 else [self.edge(), place]
        if open_ends:
            ends = self.chance.random()
            if ends < 0.3:
                parts.append(self.edge())
            elif ends < 0.5:
                parts.insert(0, self.edge())
            elif ends < 0.6:
                parts = [self.edge(), self.edge()]
        for i, part in enumerate(parts):
            if isinstance(part, Node) and self.may_be_optional(parts, i) and self.chance.random() < 0.2:
                parts[i] = self.optional(part, isinstance(parts[i - 1], Group))
        return tuple(parts)

    def optional(self, node, after_group):
        """A node made optional; often one of a type that is there. A * after a group would be its repetition."""
        if self.chance.random() < 0.5 or after_group and not node.name:
            node = Node((matcher.named(self.chance.choice(NAMED)),), node.name)
        return replace(node, optional=True)

    def may_be_optional(self, parts, i):
        """Whether a node has an arrow to take along: the one after it; for the last one, that before it, if no other
        node takes it."""
        if i + 1 < len(parts):
            return isinstance(parts[i + 1], Edge)
        taken = any(isinstance(part, Node) and part.optional for part in parts)
        return i > 0 and isinstance(parts[i - 1], Edge) and not taken

    def pattern(self):
        """A whole statement."""
        self.names = 0
        selector = self.chance.choice(SELECTORS)
        row = list(self.row(self.chance.choice([0, 0, 1, 1, 1, 2])))
        clauses = {"short": selector == "ANY SHORTEST" and self.chance.random() < 0.5}
        if selector == "SHORTEST":
            clauses["k"] = self.chance.randrange(1, 7)
        if selector == "ALL ACYCLIC" or self.chance.random() < 0.25:
            clauses["within"] = self.chance.randrange(0 if selector != "ALL ACYCLIC" else 1, 7)
        if selector in PATHS and self.chance.random() < 0.3:
            clauses["per"] = self.named_in(row)
        if selector != "DOMINATED" and self.chance.random() < 0.15:
            clauses["limit"] = self.chance.randrange(1, 5)
        if self.chance.random() < 0.2:
            clauses["not_nodes"] = tuple(Node(self.excepted()) for _ in range(self.chance.choice([1, 1, 2])))
        if self.chance.random() < 0.2:
            clauses["not_edges"] = tuple(self.cut() for _ in range(self.chance.choice([1, 1, 2])))
        order = tuple(self.chance.sample(range(5), 5))
        return Pattern(tuple(row), selector, order=order, **clauses)

    def excepted(self):
        """Terms that leave something."""
        return tuple(term for term in self.terms() if term != ANY) or (matcher.named("Node"),)

    def named_in(self, row):
        """The name of a node that occurs once; perhaps one that gets it now."""
        places = [i for i, part in enumerate(row) if isinstance(part, Node) and not part.optional]
        names = list(once_named(row))
        if places and (not names or self.chance.random() < 0.5):
            i = self.chance.choice(places)
            row[i] = replace(row[i], name=row[i].name or self.name())
            names = [row[i].name]
        return self.chance.choice(names) if names else None

    def cut(self):
        if self.chance.random() < 0.4:
            return Such(self.chance.choice(CUTS))
        return Between(*(Node((self.chance.choice([ANY, *map(matcher.named, NAMED)]),)) for _ in range(2)))


def is_node(part):
    """A node in parentheses is a node."""
    while isinstance(part, Group) and len(part.alternatives) == 1 and len(part.alternatives[0]) == 1:
        part = part.alternatives[0][0]
    return isinstance(part, Node)


def once_named(row):
    """The names of nodes outside of repetitions, options and alternatives."""
    for part in row:
        if isinstance(part, Node) and part.name and not part.optional:
            yield part.name
        if isinstance(part, Group) and (part.least, part.most, len(part.alternatives)) == (1, 1, 1):
            yield from once_named(part.alternatives[0])


PATHS = ["ANY SHORTEST", "SHORTEST", "ALL SHORTEST", "ALL ACYCLIC"]
SELECTORS = ["ANY SHORTEST", *PATHS, "SHORTEST", "REACH", "REACH", "TYPES", "DOMINATED"]
