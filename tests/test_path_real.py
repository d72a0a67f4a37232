"""Questions about the real leak, each with an answer that is computed here, from the tables and the answer key.

In these dumps each of 25 descriptors holds a chain, one turn longer with every round of grading: CapaDescriptor -> dict
-> LmsModuleSystem -> dict -> CombinedSystem -> LmsModuleSystem -> ..."""

import collections
import copy
import itertools
import json
import re

import pytest

from lake import REPOSITORY

TURN = "(LmsModuleSystem -> dict? -> CombinedSystem ->)"
N_CHAINS = 25


class Dump:
    """The tables of one dump as dictionaries, and the answer key."""

    def __init__(self, lake, id):
        self.lake, self.id = lake, id
        columns = ["address", "type", "name", "value", "size", "root_kind", "retained", "len"]
        rows = self.sql(f"select {', '.join(columns)} from obj")
        self.obj = {row[0]: dict(zip(columns, row)) for row in rows}
        self.type = {address: o["type"] for address, o in self.obj.items()}
        self.roots = {address for (address,) in self.sql("select address from root")}
        self.idx, self.children, self.parents = {}, collections.defaultdict(set), collections.defaultdict(set)
        for parent, child, idx in self.sql("select parent, child, idx from edge where kind = 'strong'"):
            if child in self.obj:
                self.idx[parent, child] = min(idx, self.idx.get((parent, child), idx))
                self.children[parent].add(child)
                self.parents[child].add(parent)
        python, moment = id.split("-")
        truth = json.loads((REPOSITORY / f"datasets/edx/{python}/truth.json").read_text())
        self.turns = truth["dumps"][int(moment) - 1]["rounds_done"]
        self.holder, self.chain = truth["holder_address"], truth["chain_newest_first"]

    def sql(self, query):
        return self.lake.sql(query, "--dump", self.id)

    def of(self, *types):
        return {address for address, kind in self.type.items() if kind in types}

    def rows(self, pattern, *args):
        """The rows of the command."""
        output = self.lake.ok("--quiet", "path", "--dump", self.id, "--format", "ndjson", *args, pattern)
        return [json.loads(line) for line in output.splitlines()]

    def paths(self, pattern, *args):
        """The walks of a pattern; each is a real one."""
        rows = self.rows(pattern, *args)
        paths = [list(path) for _, path in itertools.groupby(rows, key=lambda row: row["path_id"])]
        assert [path[0]["path_id"] for path in paths] == list(range(len(paths)))
        for path in paths:
            self.assert_real(path)
        return [tuple(row["address"] for row in path) for path in paths]

    def assert_real(self, path):
        """Every row says what the tables say, and consecutive objects are joined by the reference that it names."""
        assert [row["hop"] for row in path] == list(range(len(path)))
        for row in path:
            o = self.obj[row["address"]]
            assert {key: row[key] for key in o if key != "len"} == {key: o[key] for key in o if key != "len"}
        assert (path[0]["arrow"], path[0]["label"], path[0]["idx"]) == (None, None, None)
        for before, row in itertools.pairwise(path):
            assert row["arrow"] in ("->", "<-"), row
            pair = (before["address"], row["address"])
            assert self.idx[pair if row["arrow"] == "->" else pair[::-1]] == row["idx"], row

    def summaries(self, pattern):
        """The rows of path_summary()."""
        query = f"select * from path_summary('{pattern}')"
        output = self.lake.ok("sql", "--dump", self.id, "--format", "ndjson", query)
        return [json.loads(line) for line in output.splitlines()]

    def types(self, walk):
        return " ".join(self.type[address] for address in walk)

    def note(self, pattern, *args):
        """What is said beside the answer, which is empty."""
        result = self.lake.run("path", "--dump", self.id, "--format", "ndjson", *args, pattern)
        assert (result.returncode, result.stdout) == (0, b""), result
        return result.stderr.decode()

    # Independent answers.

    def hops(self, starts, onward, without=()):
        """The least number of hops, of one or more, to whatever can be reached."""
        without = set(without)
        found, layer, hop = {}, set(starts) - without, 0
        while layer:
            hop += 1
            layer = {b for a in layer for b in onward[a] if b not in found and b not in without}
            found.update(dict.fromkeys(layer, hop))
        return found

    def without(self, cut):
        """The dump without the references that are to be cut."""
        left = copy.copy(self)
        left.children, left.parents = collections.defaultdict(set), collections.defaultdict(set)
        for parent, child in self.idx:
            if not cut(parent, child):
                left.children[parent].add(child)
                left.parents[child].add(parent)
        return left

    def walks(self, starts, targets, without=()):
        """All walks of one or more hops from starts to targets: by hops, then in the order of paths. There may be no end."""
        starts = set(starts) - set(without)
        below = starts | self.hops(starts, self.children, without).keys()
        #: By number of hops: what can get to a target in so many. As all of it is below a start, there is another walk
        #: as long as there is something.
        layers = [set(targets) & below]
        while layers[-1]:
            layers.append({p for a in layers[-1] for p in self.parents[a]} & below)
            yield from self.walks_through((), self.in_order(None, starts & layers[-1]), layers[:-1])

    def walks_through(self, walk, nexts, layers):
        for address in nexts:
            longer = (*walk, address)
            if layers:
                nexts = self.in_order(address, self.children[address] & layers[-1])
                yield from self.walks_through(longer, nexts, layers[:-1])
            else:
                yield longer

    def in_order(self, before, addresses):
        """By type, then by position; without a reference from the object before by kind and name of a root and by what is retained."""

        def key(address):
            o = self.obj[address]
            kind = o["type"].encode()
            if (before, address) in self.idx:
                return kind, self.idx[before, address]
            root = o["root_kind"]
            name = o["name"]
            rank = (1,) if root is None else (0, root.encode(), name is None, (name or "").encode())
            return kind, float("inf"), rank, -(o["retained"] or 0), address

        return sorted(addresses, key=key)

    def any_shortest(self, walks):
        """One of the shortest walks: the first by the types that lead to most ends, as a list. Empty if there is none."""
        shortest = list(itertools.islice(walks, 1))
        if not shortest:
            return []
        shortest += itertools.takewhile(lambda walk: len(walk) == len(shortest[0]), walks)
        ends = collections.defaultdict(set)
        for walk in shortest:
            ends[tuple(self.type[a].encode() for a in walk)].add(walk[-1])
        best = min(ends, key=lambda way: (-len(ends[way]), way))
        return first(walk for walk in shortest if tuple(self.type[a].encode() for a in walk) == best)

    def links(self, address):
        """From a LmsModuleSystem: the walks of one turn, to whatever CombinedSystem refers to."""
        for walk in self.parts_of_a_turn(address):
            for end in self.children[walk[-1]]:
                yield (*walk, end)

    def parts_of_a_turn(self, address):
        for first in self.children[address]:
            if self.type[first] == "CombinedSystem":
                yield address, first
            if self.type[first] == "dict":
                yield from ((address, first, c) for c in self.children[first] if self.type[c] == "CombinedSystem")

    def turns_below(self):
        """By LmsModuleSystem: the number of turns of the longest chain from it."""
        turns = {}
        for start in sorted(self.of("LmsModuleSystem")):
            # Backwards along the chain, so that every next one is known; a chain has no cycle.
            line = [start]
            while line:
                below = {walk[-1] for walk in self.links(line[-1]) if self.type[walk[-1]] == "LmsModuleSystem"}
                unknown = sorted(below - turns.keys())
                if unknown:
                    line.append(unknown[0])
                else:
                    address = line.pop()
                    turns[address] = max((turns[b] + 1 for b in below), default=int(any(self.links(address))))
        return turns


@pytest.fixture(scope="module", params=["py27-3", "py38-3"])
def dump(request, edx_lake):
    return Dump(edx_lake, request.param)


def first(walks, n=1):
    return list(itertools.islice(walks, n))


def test_a_path_from_a_root_to_a_type(dump):
    expected = dump.any_shortest(dump.walks(dump.roots, dump.of("CombinedSystem")))
    assert dump.paths("root ..> CombinedSystem") == expected
    n = len(expected[0]) - 1
    assert dump.paths(f"ANY SHORTEST root ..> CombinedSystem WITHIN {n}") == expected
    assert dump.paths(f"root ..> CombinedSystem WITHIN {n - 1}") == []
    assert dump.paths("root ..> CombinedSystem", "--plan", "join") == expected
    assert dump.obj[expected[0][0]]["root_kind"] is not None


def test_how_a_root_reaches_the_chain(dump):
    [walk] = dump.paths(f"root ..> {TURN}+ LmsModuleSystem")
    assert re.fullmatch(r"\S+ (\S+ )*?(LmsModuleSystem (dict )?CombinedSystem )+LmsModuleSystem", dump.types(walk))
    assert walk[0] in dump.roots
    hops = dump.hops(dump.roots, dump.children)
    best = min(
        hops[a] + len(link) - 1
        for a in dump.of("LmsModuleSystem") & hops.keys()
        for link in dump.links(a)
        if dump.type[link[-1]] == "LmsModuleSystem"
    )
    assert len(walk) - 1 == best


def test_the_chain_of_the_answer_key(dump):
    assert len(dump.chain) == 81
    pattern = f"@{dump.holder} -> dict? -> {TURN}{{39}} LmsModuleSystem -> dict? -> CombinedSystem"
    [walk] = dump.paths(pattern)
    assert [address for address in walk if dump.type[address] != "dict"] == dump.chain
    assert dump.paths(pattern.replace(str(dump.holder), f"{dump.holder:#x}"), "--plan", "join") == [walk]


@pytest.mark.parametrize("id", ["py27-1", "py27-2", "py38-3"])
def test_so_many_turns_and_not_one_more(edx_lake, id):
    dump = Dump(edx_lake, id)
    turns = dump.turns_below()
    assert max(turns.values()) == dump.turns in (2, 42, 82)
    for n in {1, dump.turns // 2, dump.turns}:
        heads = sorted(a for a, most in turns.items() if most >= n)
        assert len(heads) == N_CHAINS * (dump.turns - n + 1)
        for count in (f"{{{n}}}", f"{{{n},}}", f"{{{n},{n + 3}}}"):
            found = dump.summaries(f"(h: LmsModuleSystem) {TURN}{count} PER h")
            assert [row["start"] for row in found] == heads
            assert {row["hops"] for row in found} == {3 * n}, "there is a dict on the way, and the shortest are told"
            assert {row["repeats"] for row in found} == {n}
    for walk in dump.paths(f"(h: LmsModuleSystem) {TURN}{{{dump.turns},}} PER h LIMIT 3"):
        assert dump.types(walk[:-1]) == " ".join(["LmsModuleSystem dict CombinedSystem"] * dump.turns)
    more = dump.turns + 1
    for count in (f"{{{more}}}", f"{{{more},}}", f"{{{more},{more + 9}}}"):
        assert dump.paths(f"LmsModuleSystem {TURN}{count}") == []
        assert dump.paths(f"LmsModuleSystem {TURN}{count}", "--plan", "join") == []


def test_a_summary_is_short(dump):
    [row] = dump.summaries(f"{TURN}{{{dump.turns}}}")
    [walk] = dump.paths(f"{TURN}{{{dump.turns}}}")
    sizes = sum(dump.obj[a]["size"] for a in set(walk))
    assert (row["hops"], row["bytes"], row["repeats"]) == (len(walk) - 1, sizes, dump.turns)
    assert (row["start"], row["end"]) == (walk[0], walk[-1])
    assert len(row["signature"]) < 200 and "LmsModuleSystem" in row["signature"]
    [row] = dump.summaries("CapaDescriptor -> dict")
    assert row["repeats"] == 1


def test_the_k_shortest(dump):
    starts, targets = dump.of("CapaDescriptor"), dump.of("CombinedSystem")
    for k in (1, 5, 60):
        assert dump.paths(f"SHORTEST {k} CapaDescriptor ..> CombinedSystem") == first(dump.walks(starts, targets), k)
    expected = first(dump.walks([dump.holder], targets), 7)
    assert dump.paths(f"SHORTEST 7 @{dump.holder} ..> CombinedSystem") == expected
    assert dump.paths(f"SHORTEST 7 @{dump.holder} ..> CombinedSystem", "--plan", "join") == expected
    assert dump.paths(f"SHORTEST 7 @{dump.holder} ..> CombinedSystem LIMIT 3") == expected[:3]


def test_all_the_shortest(dump):
    targets = dump.of("CombinedSystem")
    for start, starts in [("CapaDescriptor", dump.of("CapaDescriptor")), ("root", dump.roots)]:
        walks = dump.walks(starts, targets)
        shortest = next(walks)
        expected = [shortest, *itertools.takewhile(lambda walk: len(walk) == len(shortest), walks)]
        assert dump.paths(f"ALL SHORTEST {start} ..> CombinedSystem") == expected


def test_all_without_a_cycle(dump):
    head = dump.chain[1]
    expected = []
    for walk in dump.walks([head], dump.of("CombinedSystem")):
        if len(walk) > 7:
            break
        expected += [walk] if len(set(walk)) == len(walk) else []
    assert dump.paths(f"ALL ACYCLIC @{head} ..> CombinedSystem WITHIN 6") == expected != []


@pytest.mark.parametrize("clauses, most, without", [("", None, ()), ("WITHIN 4 EXCEPT module", 4, ("module",))])
def test_who_holds_a_type(dump, clauses, most, without):
    hops = dump.hops(dump.of("CombinedSystem"), dump.parents, dump.of(*without))
    expected = collections.Counter()
    sizes = collections.Counter()
    for address, hop in hops.items():
        if most is None or hop <= most:
            expected[hop, dump.type[address]] += 1
            sizes[hop, dump.type[address]] += dump.obj[address]["size"]
    rows = dump.rows(f"TYPES CombinedSystem <.. * {clauses}")
    found = [(row["hop"], row["type"], row["objects"], row["size"]) for row in rows]
    expected = [(hop, kind, n, sizes[hop, kind]) for (hop, kind), n in expected.items()]
    assert found == sorted(expected, key=lambda row: (row[0], -row[2], row[1].encode()))


def test_direct_holders_are_parents(dump):
    found = {row["address"] for row in dump.rows("REACH CombinedSystem <- *")}
    assert found == {p for a in dump.of("CombinedSystem") for p in dump.parents[a]}
    assert found == {a for (a,) in dump.sql("select address from parents('type = ''CombinedSystem''')")}


def test_one_path_per_object(dump):
    hops = dump.hops(dump.roots, dump.children)
    reachable = sorted(dump.of("CombinedSystem") & hops.keys())
    assert len(reachable) == N_CHAINS * dump.turns
    found = dump.summaries("root ..> (c: CombinedSystem) PER c")
    assert [(row["end"], row["hops"]) for row in found] == [(a, hops[a]) for a in reachable]
    first_of_all = dump.paths("root ..> (c: CombinedSystem) PER c LIMIT 40")
    assert [walk[-1] for walk in first_of_all] == reachable[:40]
    for walk in first_of_all[:3]:
        assert [walk] == first(dump.walks(dump.roots, walk[-1:]))
    # Named at the other end: one per holder.
    found = dump.paths("(d: CapaDescriptor) ..> CombinedSystem PER d")
    assert [walk[0] for walk in found] == sorted(dump.of("CapaDescriptor"))
    for walk in found[::9]:
        assert [walk] == first(dump.walks(walk[:1], dump.of("CombinedSystem")))


def test_paths_around_something(dump):
    starts, targets = dump.roots, dump.of("CombinedSystem")
    [walk] = dump.any_shortest(dump.walks(starts, targets))
    inner = walk[len(walk) // 2]
    for text, without in [
        ("dict", dump.of("dict")),
        ("module, type", dump.of("module", "type")),
        (f"@{inner}", {inner}),
        ("CapaDescriptor", dump.of("CapaDescriptor")),
        ("(list WHERE len > 9)", {a for a in dump.of("list") if (dump.obj[a]["len"] or 0) > 9}),
    ]:
        expected = dump.any_shortest(dump.walks(starts, targets, without))
        assert dump.paths(f"root ..> CombinedSystem EXCEPT {text}") == expected, text
        assert dump.paths(f"root ..> CombinedSystem EXCEPT {text}", "--plan", "join") == expected, text


def test_paths_around_references(dump):
    holders, targets = dump.of("CapaDescriptor"), dump.of("CombinedSystem")
    pattern = "SHORTEST 3 CapaDescriptor ..> CombinedSystem EXCEPT EDGES "
    for text, cut in [
        ("CapaDescriptor -> dict", lambda p, c: dump.type[p] == "CapaDescriptor" and dump.type[c] == "dict"),
        ("dict -> LmsModuleSystem, * -> type", lambda p, c: dump.type[c] in ("LmsModuleSystem", "type")),
        ("(WHERE child_type = 'tuple')", lambda p, c: dump.type[c] == "tuple"),
        (f"(WHERE parent = {dump.holder})", lambda p, c: p == dump.holder),
    ]:
        expected = first(dump.without(cut).walks(holders, targets), 3)
        assert dump.paths(pattern + text) == expected, text
        assert dump.paths(pattern + text, "--plan", "join") == expected, text


def test_what_is_reached_is_reachable(dump):
    hops = {dump.holder: 0} | {a: n for a, n in dump.hops([dump.holder], dump.children).items() if a != dump.holder}
    rows = dump.rows(f"REACH @{dump.holder} ..{{0,}}> *")
    assert [(row["hop"], row["address"]) for row in rows] == sorted((n, a) for a, n in hops.items())
    assert dict(dump.sql(f"select address, hops from reachable('@{dump.holder}')")) == hops
    assert dump.rows(f"REACH @{dump.holder} (->)*", "--plan", "join") == rows


def test_what_is_held_is_dominated(dump):
    rows = dump.rows("DOMINATED CapaDescriptor")
    held = {a for (a,) in dump.sql("select address from dominated('type = ''CapaDescriptor''')")}
    assert {row["address"] for row in rows} == held and len(rows) == len(held)
    holders = {row["path_id"]: row["address"] for row in rows if row["hop"] == 0}
    assert sorted(holders.values()) == sorted(dump.of("CapaDescriptor"))
    bytes = collections.Counter()
    for row in rows:
        bytes[holders[row["path_id"]]] += row["size"]
    assert bytes == {a: dump.obj[a]["retained"] for a in holders.values()}
    # Below a CombinedSystem hangs the next one: only the outermost hold.
    outer = [row for row in dump.rows("DOMINATED CombinedSystem") if row["hop"] == 0]
    idom = dict(dump.sql("select address, idom from obj"))
    expected = set()
    for address in dump.of("CombinedSystem"):
        above = idom[address]
        while above is not None and dump.type[above] != "CombinedSystem":
            above = idom[above]
        expected |= {address} if above is None else set()
    assert {row["address"] for row in outer} == expected


def test_predicates(dump):
    def having(kind, holds):
        return {a for a in dump.of(*kind) if holds(dump.obj[a])}

    big = having(["dict"], lambda o: o["size"] > 5000)
    assert dump.paths("root ..> (d: dict WHERE size > 5000)") == dump.any_shortest(dump.walks(dump.roots, big))
    long = having(["list", "tuple"], lambda o: (o["len"] or 0) > 20)
    assert dump.paths("SHORTEST 3 root ..> (list|tuple WHERE len > 20)") == first(dump.walks(dump.roots, long), 3) != []
    main = having(["module"], lambda o: o["name"] == "__main__")
    assert main and dump.paths("(m: module WHERE name = '__main__') ..> CapaDescriptor") == dump.any_shortest(
        dump.walks(main, dump.of("CapaDescriptor"))
    )
    grades = having(["str"], lambda o: "grade" in (o["value"] or ""))
    assert grades and dump.paths("SHORTEST 4 LmsModuleSystem ..> (str WHERE value like '%grade%')") == first(
        dump.walks(dump.of("LmsModuleSystem"), grades), 4
    )
    rooted = having(["dict"], lambda o: o["root_kind"] == "unreferenced")
    assert {row["address"] for row in dump.rows("REACH (dict WHERE root_kind = 'unreferenced')")} == rooted


def test_siblings(dump):
    """Up to the dict that holds it, and down to what else that dict holds."""
    head = dump.chain[1]
    dicts = {p for p in dump.parents[head] if dump.type[p] == "dict"}
    siblings = sorted({c for d in dicts for c in dump.children[d]})
    found = dump.paths(f"@{head} <- dict -> (s: *) PER s")
    assert [walk[-1] for walk in found] == siblings and head in siblings
    holds = lambda walk: dump.in_order(head, dicts & dump.parents[walk[-1]])[0]
    assert all(walk == (head, holds(walk), walk[-1]) for walk in found)
    dicts = {p for a in dump.of("CombinedSystem") for p in dump.parents[a] if dump.type[p] == "dict"}
    expected = sorted({c for d in dicts for c in dump.children[d]} & dump.of("UserTagsService", "int"))
    rows = dump.rows("REACH CombinedSystem <- dict -> UserTagsService|int")
    assert [row["address"] for row in rows] == expected != []


def test_no_path_explains_itself(dump):
    note = dump.note("CombinedSystem -> module WITHIN 1")
    assert f"{len(dump.of('module'))} objects are module" in note, note
    note = dump.note(f"@{dump.holder} -> dict -> LmsModuleSystem EXCEPT dict")
    assert "EXCEPT" in note, note
    result = dump.lake.run("path", "--dump", dump.id, "--format", "table", "CombinedSystem -> module WITHIN 1")
    assert result.returncode == 0 and b"no path" in result.stdout.lower(), result


def test_a_misspelt_type_meets_its_neighbours(dump):
    result = dump.lake.run("path", "--dump", dump.id, "--format", "ndjson", "root ..> CombinedSytem")
    assert result.stdout == b"" and b"CombinedSystem" in result.stderr, result
    result = dump.lake.run("path", "--dump", dump.id, "--format", "ndjson", "root ..> combinedsystem")
    assert result.stdout == b"" and b"CombinedSystem" in result.stderr, result


@pytest.mark.parametrize("pattern", ["CapaDescriptor -xmodule_runtime-> *", "* <-/run/- *", "* -> * EXCEPT EDGES -a->"])
def test_labels_are_missed_aloud(edx_lake, pattern):
    assert "label" in edx_lake.fails("path", "--dump", "py38-3", pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *["", "->", "root ->", "-> root", "root ..> (dict", "root ..> dict)", "root > dict"],
        *['root -> "dict', "root -> /(/"],
        *["ALL ACYCLIC root ..> dict", "SHORTEST root -> dict", "root ..{3,1}> dict", "root -> @xyz"],
        *["root -> dict WITHIN", "root -> dict LIMIT x", "root -> (x: dict WHERE nothing > 1)"],
        *["root -> (x: dict WHERE size >)", "root -> (x: dict WHERE size > 1"],
        *["root ..> dict PER x", "(x: dict) -> (x: list)* PER x", "root (-> (x: dict))+ PER x"],
    ],
)
def test_mistakes_are_pointed_at(edx_lake, pattern):
    edx_lake.fails("path", "--dump", "py38-1", "--", pattern)
