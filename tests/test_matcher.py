"""The brute-force matcher itself, on heaps that fit on a postcard: the answers were found with a pencil."""

import json

import matcher
import patterns
from matcher import ANY, ROOT, Between, Edge, Group, Heap, Node, Object, Pattern, Reference, Such, Where, named

TO, FROM = Edge("->"), Edge("<-")
A, B, C = (Node((named(kind),)) for kind in "ABC")
STAR, TOP = Node((ANY,)), Node((ROOT,))
B_MAYBE = Node((named("B"),), optional=True)


def heap(text):
    """A heap from "1 A -> 2 3; 2 B -> ..."; the first object is a root, sizes are addresses."""
    objects, references = [], []
    for line in text.split(";"):
        left, _, children = line.partition("->")
        address, kind = left.split()
        objects.append(Object(int(address), kind, size=int(address), root_kind=None if objects else "module"))
        references += [Reference(int(address), int(child), idx) for idx, child in enumerate(children.split())]
    return Heap(objects, references)


#: Two ways from 1 to 4, which goes back to 2; 5 refers to itself and holds 4 twice.
DIAMOND = heap("1 A -> 2 3; 2 B -> 4; 3 x.B -> 4; 4 C -> 2; 5 A -> 5 4 4")


def walks(row, on=DIAMOND, **clauses):
    return [walk for walk, _ in matcher.paths(Pattern(row, **clauses), on)]


def test_a_node_alone():
    assert walks((A,), selector="SHORTEST", k=9) == [(1,), (5,)]
    assert walks((TOP,)) == [(1,)]
    assert walks((Node((named("D"),)),)) == []


def test_a_type_is_named_by_its_end():
    assert walks((B,), selector="ALL SHORTEST") == [(2,), (3,)]
    assert walks((Node((matcher.exactly("B"),)),), selector="ALL SHORTEST") == [(2,)]
    assert walks((Node((matcher.glob("x.*"),)),)) == [(3,)]
    assert walks((Node((matcher.regex("[.]B$"),)),)) == [(3,)]


def test_shortest_paths_are_ordered_by_hops_then_types_and_positions():
    shelf = heap("1 A -> 5 4 3 2; 2 C; 3 B; 4 C; 5 C")
    assert walks((A, TO, STAR), shelf, selector="ALL SHORTEST") == [(1, 3), (1, 5), (1, 4), (1, 2)]
    assert walks((A, TO, STAR), shelf) == [(1, 5)], "three of the four are C"


def test_roots_come_first_and_then_what_retains_most():
    objects = [Object(1, "A", retained=9), Object(2, "A", "b", root_kind="module"), Object(3, "A", "a", root_kind="module")]
    assert walks((A,), Heap([*objects, Object(4, "A", retained=10)], []), selector="SHORTEST", k=4) == [
        (3,),
        (2,),
        (4,),
        (1,),
    ]


def test_shortest_paths_are_ordered_by_hops():
    row = (A, Edge("->", 1, None), C)
    assert walks(row) == [(5, 4)]
    assert walks(row, selector="SHORTEST", k=5) == [(5, 4), (1, 2, 4), (1, 3, 4), (5, 5, 4), (5, 5, 5, 4)]
    assert walks(row, selector="ALL SHORTEST") == [(5, 4)]
    assert walks(row, selector="ALL SHORTEST", not_nodes=(Node((matcher.at(5),)),)) == [(1, 2, 4), (1, 3, 4)]
    assert walks(row, selector="ALL ACYCLIC", within=9) == [(5, 4), (1, 2, 4), (1, 3, 4)]
    assert walks(row, selector="ALL ACYCLIC", within=1) == [(5, 4)]
    assert walks(row, selector="ALL ACYCLIC", within=9, limit=2) == [(5, 4), (1, 2, 4)]


def test_fewer_than_k():
    assert walks((A, TO, B), selector="SHORTEST", k=7) == [(1, 2), (1, 3)]


def test_mirrored_arrows():
    assert walks((C, FROM, A)) == [(4, 5)]
    assert walks((B, FROM, A, TO, B), selector="SHORTEST", k=9) == [(2, 1, 2), (2, 1, 3), (3, 1, 2), (3, 1, 3)]
    ways = dict(matcher.paths(Pattern((B, FROM, A, TO, B)), DIAMOND))
    nobody = frozenset()
    assert ways == {(2, 1, 2): {(("<-", "->"), (nobody, nobody, nobody))}}


def test_repetitions():
    two = Group(((TO, B, TO, C),), 2, 2)
    assert walks((A, two), selector="SHORTEST", k=9) == [(1, 2, 4, 2, 4), (1, 3, 4, 2, 4)]
    assert walks((A, Group(((TO, B, TO, C),), 0, 1)), selector="SHORTEST", k=3) == [(1,), (5,), (1, 2, 4)]
    assert walks((C, Group(((TO, B), (TO, C)), 0, None), C), selector="SHORTEST", k=2) == [(4,), (4, 2, 4)]
    # Nothing, as often as one likes, is nothing.
    assert walks((A, Group(((Group(((TO,),), 0, 1),),), 2, None), A), selector="SHORTEST", k=2) == [(1,), (5,)]


def test_where_nodes_meet_they_are_one_object():
    assert walks((TOP, Group(((A, TO, B),))), selector="SHORTEST", k=9) == [(1, 2), (1, 3)]
    assert walks((TOP, Group(((B, TO, C),)))) == []
    assert walks((Group(((A, TO, TO, C),)),), selector="ALL SHORTEST") == [(1, 2, 4), (1, 3, 4), (5, 5, 4)]


def test_optional_nodes_take_an_arrow_along():
    row = (A, TO, B_MAYBE, TO, C)
    assert walks(row, selector="SHORTEST", k=9) == [(5, 4), (1, 2, 4), (1, 3, 4)]
    assert walks((TOP, TO, B_MAYBE), selector="SHORTEST", k=9) == [(1,), (1, 2), (1, 3)]


def test_per_object():
    x = Node((ANY,), "x")
    assert walks((x, TO, C), per="x") == [(2, 4), (3, 4), (5, 4)]
    assert walks((A, TO, x), per="x") == [(1, 2), (1, 3), (5, 4), (5, 5)]
    assert walks((A, Edge("->", 1, None), x), per="x", selector="SHORTEST", k=2) == [
        (1, 2),
        (5, 4, 2),
        (1, 3),
        (5, 4),
        (1, 2, 4),
        (5, 5),
        (5, 5, 5),
    ]
    assert walks((A, Group(((TO, x),))), per="x") == walks((A, TO, x), per="x")
    assert walks((A, TO, x), per="x", limit=3) == [(1, 2), (1, 3), (5, 4)]


def test_exceptions():
    to_b = Between(Node((ANY,)), B)
    assert walks((A, Edge("->", 1, None), B), not_edges=(to_b,)) == []
    first = Such(Where("idx = 0", lambda r, parent, child: r.idx == 0))
    assert walks((A, TO, STAR), selector="SHORTEST", k=9, not_edges=(first,)) == [(1, 3), (5, 4)]
    assert DIAMOND.idx(5, "->", 4) == 1
    assert walks((A,), not_nodes=(TOP,)) == [(5,)]


def test_within():
    assert walks((TOP, Edge("->", 1, None), C), within=1) == []
    assert walks((TOP, Edge("->", 1, None), C), within=2) == [(1, 2, 4)]


def test_weak_and_dangling_references_are_not_followed():
    objects = [Object(1, "weakref", root_kind="unreferenced"), Object(2, "A")]
    weak = Heap(objects, [Reference(1, 2, 0, "weak"), Reference(2, 77, 0)])
    assert walks((STAR, TO, STAR), on=weak) == []


def test_reach_and_types():
    everything = Pattern((TOP, Edge("->", 0, None), STAR))
    assert matcher.reached(everything, DIAMOND) == [(0, 1), (1, 2), (1, 3), (2, 4)]
    assert matcher.types(everything, DIAMOND) == [(0, "A", 1, 1), (1, "B", 1, 2), (1, "x.B", 1, 3), (2, "C", 1, 4)]
    back = Pattern((C, Edge("<-", 1, None), STAR), within=1)
    assert matcher.reached(back, DIAMOND) == [(1, 2), (1, 3), (1, 5)]


def test_dominated():
    chain = heap("1 A -> 2; 2 B -> 3; 3 B -> 4; 4 C")
    above = {1: None, 2: 1, 3: 2, 4: 3}
    chain = Heap([o._replace(idom=above[o.address]) for o in chain.objects.values()], chain.references)
    assert matcher.dominated(Pattern((TOP, Edge("->", 1, None), B)), chain) == {2: {2: 0, 3: 1, 4: 2}}


def test_text():
    x = Node((named("A"), ANY), "x", Where("size > 1", None))
    ways = (TO, B), (Edge("<-", 1, None), B_MAYBE, Edge("->", 2, 5)), (B, TO, B), (A,)
    row = (x, TO, Group(ways, 0, None), STAR, Edge("->", 3, None), A)
    assert Pattern(row, short=True, within=3, limit=1).text() == (
        "(x: A|* WHERE size > 1) -> (-> B | <.. B? ..{2,5}> | B -> B | (A))* (*) ..{3,}> A WITHIN 3 LIMIT 1"
    )
    excepted = Pattern((A,), "SHORTEST", 2, not_nodes=(B, TOP), not_edges=(Between(A, STAR),), order=(1, 0, 2, 3, 4))
    assert excepted.text() == "SHORTEST 2 A EXCEPT EDGES A -> * EXCEPT B, root"


def all_walks(row, heap, most):
    """Every walk of at most so many hops that a row matches, as a set built from the sets of its parts."""
    out = {(a,) for a in heap.objects}
    for part in row:
        out = joined(out, walks_of(part, heap, most), most)
    return out


def walks_of(part, heap, most):
    if isinstance(part, Node):
        return {(a,) for a, o in heap.objects.items() if part.holds(o)}
    if isinstance(part, Edge):
        once = {(r.parent, r.child) if part.way == "->" else (r.child, r.parent) for r in heap.references}
    else:
        once = set().union(*(all_walks(row, heap, most) for row in part.alternatives))
    times, out, n = {(a,) for a in heap.objects}, set(), 0
    while n <= part.least or not times <= out and (part.most is None or n <= part.most):
        out |= times if n >= part.least else set()
        times, n = joined(times, once, most), n + 1
    return out


def joined(one, other, most):
    return {a + b[1:] for a in one for b in other if a[-1] == b[0] and len(a) + len(b) - 2 <= most}


def test_the_walker_and_sets_of_walks_agree():
    """The second way to be slow but obvious, on random patterns."""
    n_matched = 0
    for seed in range(300):
        heap = random_heap(seed)
        pattern = patterns.Maker(seed, heap).pattern()
        row, most = matcher.spelt_out(pattern.row), 4
        expected = all_walks(row, heap, most)
        levels = list(matcher.Meaning(heap).levels(row, most))
        found = {walk: hops for hops, walks in levels for walk in walks}
        assert found == {walk: len(walk) - 1 for walk in expected}, f"{pattern.text()} on\n{heap.references}"
        reached = {}
        for walk in sorted(expected, key=len):
            reached.setdefault(walk[-1], len(walk) - 1)
        plain = Pattern(pattern.row, within=most)
        assert {a: hop for hop, a in matcher.reached(plain, heap)} == reached, pattern.text()
        n_matched += bool(expected)
    assert n_matched > 100


def random_heap(seed):
    """The objects of a random dump file, none of them a root."""
    lines = [json.loads(line) for line in patterns.heap_text(seed).splitlines()]
    objects = [Object(o["address"], o["type"], o.get("name"), o.get("value"), o["size"], o.get("len")) for o in lines]
    return Heap(objects, [Reference(o["address"], a, idx) for o in lines for idx, a in enumerate(o["refs"])])
