"""What a path pattern means, in the slow but obvious way.

A pattern is a tree of Python objects that writes itself as pattern text and is matched here directly. There is no
automaton: a walker stands on an object with the rest of the pattern before it, and takes every step that it may take.

So that patterns with endless repetition come to an end, the walker first asks how many hops the rest of the pattern
needs at least from where it stands. That is computed from the meaning too, as a table of hops for every two objects:
in a row hops add up, of alternatives the least counts, a repetition is closed over. Where no match is left the walker
stops; otherwise it goes by the number of hops in all, so what it finds first is shortest.
"""

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import Callable, NamedTuple

INFINITE = float("inf")


class Object(NamedTuple):
    """A row of obj."""

    address: int
    type: str
    name: str | None = None
    value: str | None = None
    size: int = 0
    len: int | None = None
    root_kind: str | None = None
    idom: int | None = None
    retained: int | None = None


class Reference(NamedTuple):
    """A row of edge."""

    parent: int
    child: int
    idx: int
    kind: str = "strong"


class Heap:
    """Objects by address, and the references that may be followed: neither weak nor dangling."""

    def __init__(self, objects, references):
        self.objects = {o.address: o for o in objects}
        self.references = [
            r for r in references if r.kind == "strong" and r.parent in self.objects and r.child in self.objects
        ]
        self.children = {a: sorted({r.child for r in self.references if r.parent == a}) for a in self.objects}
        self.parents = {a: sorted({r.parent for r in self.references if r.child == a}) for a in self.objects}

    def without(self, nodes, edges):
        """The heap without the objects and references that a pattern excepts."""
        objects = [o for o in self.objects.values() if not any(node.holds(o) for node in nodes)]
        cut = [r for r in self.references if any(edge.holds(self, r) for edge in edges)]
        return Heap(objects, [r for r in self.references if r not in cut])

    def idx(self, before, arrow, after):
        """The first position at which one object refers to the other."""
        parent, child = (before, after) if arrow == "->" else (after, before)
        return min(r.idx for r in self.references if (r.parent, r.child) == (parent, child))


# Parts of a pattern.


class Term(NamedTuple):
    """One way to name objects."""

    text: str
    holds: Callable[[Object], bool]


ROOT = Term("root", lambda o: o.root_kind is not None)
ANY = Term("*", lambda o: True)


def asked_part(asked, type_name):
    """Without a dot the last part of a type's name is asked for, with one the whole."""
    return type_name if "." in asked else type_name.split(".")[-1]


def named(name):
    return Term(name, lambda o: asked_part(name, o.type) == name)


def exactly(name):
    return Term('"' + name.replace('"', '""') + '"', lambda o: o.type == name)


def glob(text):
    regex = ".*".join(map(re.escape, text.split("*")))
    return Term(text, lambda o: re.fullmatch(regex, asked_part(text, o.type), re.S) is not None)


def regex(text):
    return Term("/" + text.replace("/", "\\/") + "/", lambda o: re.search(text, o.type) is not None)


def at(address, form="@{}"):
    return Term(form.format(address), lambda o: o.address == address)


class Where(NamedTuple):
    """A predicate in SQL, and the same in Python."""

    text: str
    holds: Callable[..., bool]


@dataclass(frozen=True)
class Node:
    """Any of the terms, perhaps with a name and a predicate; an optional one takes an arrow with it."""

    terms: tuple
    name: str | None = None
    where: Where | None = None
    optional: bool = False

    def holds(self, o):
        return any(term.holds(o) for term in self.terms) and (self.where is None or self.where.holds(o))

    def text(self):
        text = "|".join(term.text for term in self.terms)
        name = f"{self.name}: " if self.name else ""
        where = f" WHERE {self.where.text}" if self.where else ""
        in_parentheses = name or where or self.optional and len(self.terms) > 1
        return (f"({name}{text}{where})" if in_parentheses else text) + "?" * self.optional


@dataclass(frozen=True)
class Edge:
    """So many references, from parent to child (->) or from child to parent (<-)."""

    way: str = "->"
    least: int = 1
    most: int | None = 1

    def text(self):
        if (self.least, self.most) == (1, 1):
            return self.way
        many = "" if (self.least, self.most) == (1, None) else braces(self.least, self.most)
        return f"..{many}>" if self.way == "->" else f"<..{many}"


@dataclass(frozen=True)
class Group:
    """Alternatives, so many times one after the other; an alternative is a row of parts."""

    alternatives: tuple
    least: int = 1
    most: int | None = 1

    def text(self):
        texts = []
        for before, row in zip(((None,), *self.alternatives), self.alternatives):
            # | between two nodes would be taken for a choice of types.
            nodes = isinstance(before[-1], Node) and isinstance(row[0], Node)
            texts.append(f"({row_text(row)})" if nodes else row_text(row))
        return f"({' | '.join(texts)})" + count_text(self.least, self.most)


def count_text(least, most):
    short = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}
    return short[least, most] if (least, most) in short else braces(least, most)


def braces(least, most):
    return f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"


def row_text(row):
    """A row of parts; the node * after a group would be taken for a repetition."""
    texts = []
    for before, part in zip((None, *row), row):
        star = isinstance(before, Group) and part.text().startswith("*")
        texts.append(f"({part.text()})" if star else part.text())
    return " ".join(texts)


class Between(NamedTuple):
    """References from one sort of object to another, to be excepted."""

    parent: Node
    child: Node

    def text(self):
        return f"{self.parent.text()} -> {self.child.text()}"

    def holds(self, heap, reference):
        return self.parent.holds(heap.objects[reference.parent]) and self.child.holds(heap.objects[reference.child])


class Such(NamedTuple):
    """References of which a predicate in SQL holds, to be excepted."""

    where: Where

    def text(self):
        return f"(WHERE {self.where.text})"

    def holds(self, heap, reference):
        return self.where.holds(reference, heap.objects[reference.parent], heap.objects[reference.child])


@dataclass(frozen=True)
class Pattern:
    """A whole statement. selector is ANY SHORTEST, SHORTEST, ALL SHORTEST, ALL ACYCLIC, REACH, DOMINATED or TYPES."""

    row: tuple
    selector: str = "ANY SHORTEST"
    k: int | None = None
    per: str | None = None
    within: int | None = None
    limit: int | None = None
    not_nodes: tuple = ()
    not_edges: tuple = ()
    #: Whether ANY SHORTEST is left to be understood.
    short: bool = False
    #: The order in which the clauses are written.
    order: tuple = field(default=(0, 1, 2, 3, 4))

    def text(self):
        selector = "" if self.short else f"{self.selector} {'' if self.k is None else self.k}"
        clauses = [
            self.not_nodes and "EXCEPT " + ", ".join(node.text() for node in self.not_nodes),
            self.not_edges and "EXCEPT EDGES " + ", ".join(edge.text() for edge in self.not_edges),
            self.per and f"PER {self.per}",
            self.within is not None and f"WITHIN {self.within}",
            self.limit is not None and f"LIMIT {self.limit}",
        ]
        written = [clauses[i] for i in self.order if clauses[i]]
        return " ".join(" ".join([selector, row_text(self.row), *written]).split())


# What it means.


def spelt_out(row):
    """A row in which optional nodes have become optional groups of the node and its arrow."""
    row = [replace(p, alternatives=tuple(map(spelt_out, p.alternatives))) if isinstance(p, Group) else p for p in row]
    out = []
    while row:
        part = row.pop(0)
        if not getattr(part, "optional", False):
            out.append(part)
        elif row:
            assert isinstance(row[0], Edge), "an optional node takes the arrow after it"
            out.append(Group(((replace(part, optional=False), row.pop(0)),), 0, 1))
        else:
            assert isinstance(out[-1], Edge), "the last optional node takes the arrow before it"
            out.append(Group(((out.pop(), replace(part, optional=False)),), 0, 1))
    return tuple(out)


class Meaning:
    """Parts of patterns over one heap."""

    def __init__(self, heap):
        self.heap = heap
        self.tables = {}
        self.needs = {}

    # How many hops at least: tables {(from, to): hops}.

    def same(self):
        return {(a, a): 0 for a in self.heap.objects}

    def table(self, part):
        """The least number of hops of a walk that a part matches."""
        if part not in self.tables:
            self.tables[part] = self.table_of(part)
        return self.tables[part]

    def table_of(self, part):
        if isinstance(part, Node):
            return {(a, a): 0 for a, o in self.heap.objects.items() if part.holds(o)}
        if isinstance(part, Edge):
            forward = {(r.parent, r.child): 1 for r in self.heap.references}
            once = forward if part.way == "->" else {(b, a): 1 for a, b in forward}
        else:
            once = {}
            for row in part.alternatives:
                once = least_of(once, self.row_table(row))
        return self.repeated(once, part.least, part.most)

    def row_table(self, row):
        table = self.same()
        for part in row:
            table = after_each_other(table, self.table(part))
        return table

    def repeated(self, once, least, most):
        table = self.same()
        for _ in range(least):
            table = after_each_other(table, once)
        more, rounds = table, itertools.count() if most is None else range(most - least)
        for _ in rounds:
            before, more = more, least_of(table, after_each_other(more, once))
            if more == before:
                break
        return more

    def need(self, row):
        """By object: the least number of hops in which the row is matched from there, if it is."""
        if row not in self.needs:
            if not row:
                self.needs[row] = dict.fromkeys(self.heap.objects, 0)
            else:
                self.needs[row] = {}
                rest = self.need(row[1:])
                for (a, b), hops in self.table(row[0]).items():
                    if b in rest:
                        self.needs[row][a] = min(self.needs[row].get(a, INFINITE), hops + rest[b])
        return self.needs[row]

    # Which walks.

    def steps(self, row, address):
        """What one who stands on an object with a row to match may do next: (name, arrow, object, rest of the row)."""
        part, rest = row[0], row[1:]
        if isinstance(part, Node):
            if part.holds(self.heap.objects[address]):
                yield part.name, None, address, rest
            return
        if part.least == 0:
            yield None, None, address, rest
        if part.most == 0:
            return
        fewer = replace(part, least=max(part.least - 1, 0), most=None if part.most is None else part.most - 1)
        if isinstance(part, Edge):
            for to in (self.heap.children if part.way == "->" else self.heap.parents)[address]:
                yield None, part.way, to, (fewer, *rest)
        else:
            for alternative in part.alternatives:
                yield None, None, address, (*alternative, fewer, *rest)

    def levels(self, row, most_hops=None, acyclic=False):
        """Yields hops and {walk: {(arrows, names of each object)}} for each number of hops that a match has."""
        waiting, seen = {}, set()

        def wait(walk, arrows, names, rest):
            state = (walk, arrows, names, rest)
            need = self.need(rest).get(walk[-1])
            hops = len(arrows) + (INFINITE if need is None else need)
            if hops != INFINITE and (most_hops is None or hops <= most_hops) and state not in seen:
                seen.add(state)
                waiting.setdefault(hops, []).append(state)

        for address in self.heap.objects:
            wait((address,), (), (frozenset(),), row)
        while waiting:
            hops = min(waiting)
            found = {}
            while waiting[hops]:
                walk, arrows, names, rest = waiting[hops].pop()
                if not rest:
                    found.setdefault(walk, set()).add((arrows, names))
                    continue
                for name, arrow, to, left in self.steps(rest, walk[-1]):
                    if arrow is None:
                        wait(walk, arrows, (*names[:-1], names[-1] | ({name} if name else set())), left)
                    elif not (acyclic and to in walk):
                        wait((*walk, to), (*arrows, arrow), (*names, frozenset()), left)
            del waiting[hops]
            if found:
                yield hops, found


def least_of(one, other):
    return {pair: min(one.get(pair, INFINITE), other.get(pair, INFINITE)) for pair in one.keys() | other.keys()}


def after_each_other(one, other):
    beginning = {}
    for (b, c), more in other.items():
        beginning.setdefault(b, []).append((c, more))
    table = {}
    for (a, b), hops in one.items():
        for c, more in beginning.get(b, ()):
            table[a, c] = min(table.get((a, c), INFINITE), hops + more)
    return table


def bound_to(row, name, address):
    """The row in which the node of that name is one object only."""
    out = []
    for part in row:
        if isinstance(part, Node) and part.name == name:
            here = Where(f"address = {address}", lambda o, w=part.where: o.address == address and (not w or w.holds(o)))
            part = replace(part, where=here)
        elif isinstance(part, Group):
            part = replace(part, alternatives=tuple(bound_to(r, name, address) for r in part.alternatives))
        out.append(part)
    return tuple(out)


def paths(pattern, heap, order=None):
    """The answer to a pattern whose answers are paths: a list of (walk, {(arrows, names)}), in order.

    order is a key of walks with equally many hops; by default it is that of heaplake, and one path of several is by the
    way that leads to most ends."""
    order, merges = order or heaplake_order(pattern, heap), order is None and pattern.per is None
    meaning = Meaning(heap.without(pattern.not_nodes, pattern.not_edges))
    row = spelt_out(pattern.row)
    rows = [row] if pattern.per is None else [bound_to(row, pattern.per, a) for a in sorted(meaning.heap.objects)]
    found = []
    for row in rows:
        levels = meaning.levels(row, pattern.within, acyclic(pattern))
        found += chosen(pattern, levels, order, ways_of(heap) if merges else None)
    return found[: pattern.limit]


def heaplake_order(pattern, heap):
    """A key of walks: step by step by type, by the first reference from the object before, of others by kind and name of a
    root, then by what they retain, at last by address."""
    goes_down = any(edge.way == "->" and edge.most != 0 for edge in edges_of(spelt_out(pattern.row)))
    first = {}
    for r in heap.references if goes_down else ():
        first[r.parent, r.child] = min(r.idx, first.get((r.parent, r.child), r.idx))

    def step(before, address):
        o = heap.objects[address]
        if (before, address) in first:
            return o.type.encode(), first[before, address]
        root = (1,) if o.root_kind is None else (0, o.root_kind.encode(), o.name is None, (o.name or "").encode())
        return o.type.encode(), INFINITE, root, -(o.retained or 0), address

    return lambda walk: tuple(step(before, address) for before, address in zip((None, *walk), walk))


def edges_of(row):
    for part in row:
        if isinstance(part, Group):
            for alternative in part.alternatives:
                yield from edges_of(alternative)
        elif isinstance(part, Edge):
            yield part


def ways_of(heap):
    """The types and arrows of a walk, once for each way to match it."""

    def ways(walk, matches):
        kinds = [heap.objects[address].type.encode() for address in walk]
        return {tuple(zip(kinds, ("", *("-<"[arrow == "<-"] for arrow in arrows)))) for arrows, _ in matches}

    return ways


def acyclic(pattern):
    return pattern.selector == "ALL ACYCLIC"


def chosen(pattern, levels, order, ways):
    """What the selector takes of the matches, which come by number of hops."""
    wanted = {"ANY SHORTEST": 1, "SHORTEST": pattern.k}.get(pattern.selector)
    out = []
    for _, found in levels:
        if pattern.selector == "ANY SHORTEST" and ways:
            found = by_most_taken(found, ways)
        out += sorted(found.items(), key=lambda item: order(item[0]))
        if pattern.selector == "ALL SHORTEST" or wanted is not None and len(out) >= wanted:
            break
    return out[:wanted]


def by_most_taken(found, ways):
    """The matches by the way that leads to most ends; of several the first in the order of types."""
    ends = {}
    for walk, matches in found.items():
        for way in ways(walk, matches):
            ends.setdefault(way, set()).add(walk[-1])
    best = min(ends, key=lambda way: (-len(ends[way]), way))
    return {walk: matches for walk, matches in found.items() if best in ways(walk, matches)}


def reached(pattern, heap):
    """The answer to REACH, without its LIMIT: (hop, address), in order."""
    meaning = Meaning(heap.without(pattern.not_nodes, pattern.not_edges))
    hops = {}
    for (_, b), n in meaning.row_table(spelt_out(pattern.row)).items():
        hops[b] = min(n, hops.get(b, INFINITE))
    within = INFINITE if pattern.within is None else pattern.within
    return sorted((n, address) for address, n in hops.items() if n <= within)


def types(pattern, heap):
    """The answer to TYPES: (hop, type, objects, size), in order."""
    sums = {}
    for hop, address in reached(pattern, heap):
        o = heap.objects[address]
        objects, size = sums.get((hop, o.type), (0, 0))
        sums[hop, o.type] = objects + 1, size + o.size
    rows = [(hop, kind, objects, size) for (hop, kind), (objects, size) in sums.items()]
    return sorted(rows, key=lambda r: (r[0], -r[2], r[1].encode()))[: pattern.limit]


def dominated(pattern, heap):
    """The answer to DOMINATED: by holder {address: depth}."""

    def above(address):
        """The object and everything that dominates it, from below."""
        while address is not None:
            yield address
            address = heap.objects[address].idom

    held_for = {address for _, address in reached(pattern, heap)}
    outermost = {a for a in held_for if not held_for & set(itertools.islice(above(a), 1, None))}
    trees = {holder: {} for holder in outermost}
    for address in heap.objects:
        for depth, holder in enumerate(above(address)):
            if holder in outermost:
                trees[holder][address] = depth
    return trees
