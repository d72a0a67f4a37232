"""The graph index against the obvious answers, on random heaps and on real dumps."""

import json
import random

import igraph
import pytest

import heaps
from lake import Lake
from obvious import Graph

N_HEAPS = 60
TYPES = ["dict", "list", "str", "module", "frame", "weakref", "app.C", "app.D"]


def tangled_heap(seed):
    """A small heap with many references: cycles, repeated ones, ones to itself and to nothing, and sizes that name
    their objects."""
    chance = random.Random(seed)
    n = chance.randrange(1, 24)
    addresses = chance.sample(range(1 << 20, 1 << 28, 8 if seed % 3 else 1), n)
    lines = []
    for k, address in enumerate(addresses):
        refs = [chance.choice([*addresses, 77]) for _ in range(chance.choice([0, 1, 1, 2, 3]))]
        lines.append(f'{{"address": {address}, "type": "{chance.choice(TYPES)}", "size": {1 << k}, "refs": {refs}}}\n')
    return "".join(lines)


@pytest.fixture(scope="module")
def tangled(tmp_path_factory):
    """A lake of random heaps, and their graphs by dump."""
    folder = tmp_path_factory.mktemp("tangled")
    files = []
    for seed in range(N_HEAPS):
        files.append(folder / f"heap-{seed}.dump")
        files[-1].write_text(tangled_heap(seed))
    lake = Lake(folder / "lake")
    lake.ok("--quiet", "import", *files)
    return lake, graphs(lake)


def graphs(lake):
    """The graph of every dump of a lake."""
    parts = {dump: ([], [], []) for dump in lake.dumps()}
    queries = [
        "select dump, address, type, size from history.obj",
        "select dump, parent, child, idx from history.edge",
        "select dump, address, kind from history.root",
    ]
    for i, query in enumerate(queries):
        for dump, *row in lake.sql(query):
            parts[dump][i].append(tuple(row))
    return {dump: Graph(*of) for dump, of in parts.items()}


def columns_of(lake, dump):
    rows = lake.sql("select address, root_kind, distance, idom, retained, retained_count from obj", "--dump", dump)
    return {row[0]: row[1:] for row in rows}


def heap_text(dump):
    return f"{dump}:\n{tangled_heap(int(dump.split('-')[1]))}"


def test_every_object_has_its_root_distance_and_dominator(tangled):
    lake, all_graphs = tangled
    kinds = set()
    for dump, graph in all_graphs.items():
        found = columns_of(lake, dump)
        roots, cycles = graph.expected_roots()
        assert {a: kind for a, kind in graph.roots.items() if kind != "cycle"} == roots, heap_text(dump)
        of_cycles = [a for a, kind in graph.roots.items() if kind == "cycle"]
        assert sorted(min(cycle) for cycle in cycles) == sorted(of_cycles), heap_text(dump)
        kinds |= set(graph.roots.values())
        # Nothing is unexplained.
        assert graph.reached(graph.roots).keys() == graph.type.keys(), heap_text(dump)
        distances, dominated = graph.distances(), graph.dominated()
        for address, (root_kind, distance, idom, retained, count) in found.items():
            gone = dominated[address]
            nearest = [a for a in graph.type if a != address and address in dominated[a]]
            expected = min(nearest, key=lambda a: len(dominated[a]), default=None)
            assert (root_kind, distance, idom, retained, count) == (
                graph.roots.get(address),
                distances.get(address),
                expected,
                sum(graph.size[a] for a in gone),
                len(gone),
            ), f"{address} of {heap_text(dump)}"
    assert kinds == {"module", "frame", "unreferenced", "cycle"}


def test_nothing_is_retained_twice(tangled):
    lake, all_graphs = tangled
    sums = lake.sql(
        "select dump, sum(size), sum(case when idom is null then retained end) from history.obj group by dump"
    )
    assert len(sums) == N_HEAPS
    assert all(size == retained for _, size, retained in sums)
    for dump, name, retained in lake.sql("select dump, type, retained from history.type_stat"):
        graph = all_graphs[dump]
        dominated = graph.dominated()
        own = [address for address, kind in graph.type.items() if kind == name]
        held = set().union(*(dominated[address] for address in own))
        assert retained == sum(graph.size[a] for a in held), f"{name} of {heap_text(dump)}"


def test_sets_are_answered_as_by_hand(tangled):
    lake, all_graphs = tangled
    for dump in list(all_graphs)[:12]:
        graph = all_graphs[dump]
        chance = random.Random(dump)
        some = chance.sample(sorted(graph.type), min(3, len(graph.type)))
        text = ", ".join(f"@{address:#x}" for address in some)

        def ask(query):
            return lake.sql(query.format(text), "--dump", dump)

        gone = graph.gone(some)
        size = sum(graph.size[a] for a in gone)
        own = sum(graph.size[a] for a in some)
        assert ask("select * from retained('{}')") == [(len(some), own, len(gone), size)], heap_text(dump)
        assert {row[0] for row in ask("select address from whatif_cut('{}')")} == gone, heap_text(dump)
        hops = graph.reached(some)
        assert dict(ask("select address, hops from reachable('{}')")) == hops, heap_text(dump)
        parents = {a for a in graph.type for child, _ in graph.children[a] if child in some}
        assert {row[0] for row in ask("select address from parents('{}')")} == parents, heap_text(dump)
        children = {child for a in some for child, _ in graph.children[a]}
        assert {row[0] for row in ask("select address from children('{}')")} == children, heap_text(dump)
        dominated = set().union(*(graph.gone([a]) for a in some))
        assert {row[0] for row in ask("select address from dominated('{}')")} == dominated, heap_text(dump)


def test_cuts_of_references_are_exact(tangled):
    lake, all_graphs = tangled
    for dump in list(all_graphs)[12:24]:
        graph = all_graphs[dump]
        cut = [(p, idx) for p, _, idx in graph.edges if idx == 0 and p % 3 == 0]
        objects = [a for a in graph.type if graph.type[a] == "str"]
        query = "select address from whatif_cut('idx = 0 and parent % 3 = 0', 'type = ''str''')"
        found = {row[0] for row in lake.sql(query, "--dump", dump)}
        assert found == graph.gone(objects, cut), heap_text(dump)


def modules_in_a_table(n):
    """Lines of meliae's: modules 1000 to 1000 + n with a dictionary each, and 1 their table; 1001 is in the dictionary of 1000 too."""
    lines = [{"address": 1, "type": "dict", "size": 1, "refs": list(range(1000, 1000 + n))}]
    for i in range(n):
        lines.append({"address": 1000 + i, "type": "module", "size": 16, "name": f"m{i}", "refs": [2000 + i]})
        lines.append({"address": 2000 + i, "type": "dict", "size": 256, "refs": [1, 1001] if i == 0 else []})
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_module_is_no_root_without_its_entry_in_the_table(lake, tmp_path):
    (tmp_path / "d.dump").write_text(modules_in_a_table(20))
    lake.load(tmp_path / "d.dump", "d")
    freed = lambda *cuts: [row[0] for row in lake.sql(f"select address from whatif_cut({', '.join(map(repr, cuts))}) order by 1")]
    entry = "parent = 1 and child in ({})"
    assert freed(entry.format("1002, 1003")) == [1002, 1003, 2002, 2003]
    assert freed(entry.format("1001")) == []
    assert freed(entry.format("1001"), "parent = 2000 and child = 1001") == [1001, 2001]
    # To cut other references, or the table as an object, removes no entry.
    assert freed("parent = 2000 and child = 1001") == []
    assert freed("@1") == [1]
    # All modules go, and with the first the only way to the table.
    assert len(freed("parent = 1")) == 1 + 2 * 20
    lake.ok("--quiet", "whatif", "--cut", entry.format("1001, 1002"), "--save", "cut")
    here = ["--dump", "d", "--layer", "cut"]
    assert lake.sql("select address, root_kind from obj where address in (1001, 1002, 1003) order by 1", *here) == [(1001, None), (1003, "module")]
    assert lake.sql("select size from whatif_cut('parent = 2000 and child = 1001') order by address", *here) == [(16,), (256,)]


def test_few_modules_are_no_table(lake, tmp_path):
    """What refers to the few modules of a small heap is not what keeps them."""
    (tmp_path / "d.dump").write_text(modules_in_a_table(7))
    lake.load(tmp_path / "d.dump", "d")
    assert lake.sql("select count(*) from whatif_cut('parent = 1')") == [(0,)]


def test_a_layer_is_the_dump_without_what_was_cut(tangled):
    lake, all_graphs = tangled
    for dump in list(all_graphs)[24:34]:
        graph = all_graphs[dump]
        lake.ok("--quiet", "whatif", "--dump", dump, "--cut", "idx = 0 and parent % 3 = 0", "--save", "cut")
        cut = {(p, idx) for p, _, idx in graph.edges if idx == 0 and p % 3 == 0}
        gone = graph.gone((), cut)
        here = ["--dump", dump, "--layer", "cut"]
        left = Graph(
            lake.sql("select address, type, size from obj", *here),
            lake.sql("select parent, child, idx from edge", *here),
            lake.sql("select address, kind from root", *here),
        )
        assert left.type.keys() == graph.type.keys() - gone, heap_text(dump)
        expected = [
            (p, c, i) for p, c, i in graph.edges if p not in gone and c not in gone and (p, i) not in cut
        ]
        assert sorted(left.edges) == sorted(expected), heap_text(dump)
        rows = lake.sql("select address, distance, retained from obj", *here)
        distances, dominated = left.distances(), left.dominated()
        for address, distance, retained in rows:
            size = sum(graph.size[a] for a in dominated[address])
            assert (distance, retained) == (distances.get(address), size), f"{address} of {heap_text(dump)}"
        totals = lake.sql("select sum(count), sum(size) from type_stat", *here)
        assert totals == [(len(left.type) or None, sum(left.size.values()) if left.size else None)]
        # The dump itself is as it was.
        assert lake.sql("select count(*) from obj", "--dump", dump) == [(len(graph.type),)]
    lake.ok("verify")


@pytest.mark.parametrize("dump", ["py27-3", "py38-3"])
def test_igraph_finds_the_same_dominators(edx_lake, dump):
    objects = edx_lake.sql("select address, idom from obj order by address", "--dump", dump)
    number = {address: i for i, (address, _) in enumerate(objects)}
    edges = edx_lake.sql("select parent, child from edge where kind = 'strong'", "--dump", dump)
    roots = edx_lake.sql("select address from root", "--dump", dump)
    top = len(objects)
    pairs = [(number[p], number[c]) for p, c in edges if c in number]
    pairs += [(top, number[address]) for (address,) in roots]
    graph = igraph.Graph(n=top + 1, edges=pairs, directed=True)
    dominators = graph.dominator(top)
    assert -1 not in dominators[:-1] or dominators.count(-1) == 1
    assert [objects[d][0] if d < top else None for d in dominators[:top]] == [idom for _, idom in objects]


@pytest.mark.parametrize("python", ["py27", "py38"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_real_dumps_are_explained(edx_lake, python, n):
    dump = f"{python}-{n}"
    [(objects, size)] = edx_lake.sql("select count(*), sum(size) from obj", "--dump", dump)
    assert edx_lake.sql("select count(*), sum(size) from reachable('root_kind is not null')", "--dump", dump) == [
        (objects, size)
    ]
    assert edx_lake.sql("select sum(retained) from obj where idom is null", "--dump", dump) == [(size,)]
    # Whatever has no distance hangs below a garbage cycle.
    garbage = edx_lake.sql("select count(*) from obj where distance is null", "--dump", dump)
    below = edx_lake.sql(
        "select count(*) from reachable('root_kind = ''cycle''') r "
        "where r.address not in (select address from reachable('root_kind <> ''cycle'''))",
        "--dump",
        dump,
    )
    assert garbage == below


def index_file(lake, dump):
    [path] = (lake.path / "index" / f"dump={dump}").glob("*.graph")
    return path


def test_a_damaged_index_is_never_believed(lake, small_dump):
    lake.load(small_dump, "d")
    question = "select * from retained('type = ''dict''')"
    expected = lake.sql(question)
    sound = index_file(lake, "d").read_bytes()
    chance = random.Random(7)
    for round in range(40):
        path = index_file(lake, "d")
        damaged = bytearray(sound)
        if round % 4 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        if bytes(damaged) == sound:
            continue
        path.write_bytes(damaged)
        result = lake.run("sql", "--format", "ndjson", question)
        assert result.returncode == 0, result.stderr
        # Either it did not matter, as between two sections, or it was built anew.
        assert lake.sql(question) == expected
        assert b"building" in result.stderr or index_file(lake, "d").read_bytes() == bytes(damaged)
    for junk in [b"", b"\0" * 4096, sound[::-1], b"heapgrph" * 100]:
        index_file(lake, "d").write_bytes(junk)
        assert lake.sql(question) == expected
    lake.ok("verify")


def test_an_index_of_other_tables_is_not_taken(lake, small_dump, big_dump):
    lake.load(small_dump, "a")
    lake.load(big_dump, "b")
    expected = lake.sql("select * from top_dominators(3)", "--dump", "a")
    index_file(lake, "a").write_bytes(index_file(lake, "b").read_bytes())
    assert lake.sql("select * from top_dominators(3)", "--dump", "a") == expected


def test_wide_ids_answer_alike(lake, small_dump, tmp_path):
    """Graphs beyond 2^32 are out of reach here; the ids they need are not."""
    lake.load(small_dump, "narrow")
    environment_lake = Lake(tmp_path / "wide")
    environment_lake.ok("--quiet", "import", "--wide-ids", "--dump", "narrow", small_dump)
    assert index_file(environment_lake, "narrow").stat().st_size > 1.3 * index_file(lake, "narrow").stat().st_size
    for query in [
        "select address, root_kind, distance, idom, retained, retained_count from obj order by address",
        "select type, retained from type_stat order by type",
        "select address, hops from parents('type = ''dict''', 2) order by 1",
        "select address from whatif_cut('type = ''tuple''', 'child_type = ''dict''') order by 1",
        "select component, address from sccs() order by 1, 2",
        "select depth, address, type, retained from dominator_tree(3, 4) order by line",
    ]:
        assert environment_lake.sql(query) == lake.sql(query), query


def test_no_memory_for_an_index_is_said(lake, tmp_path):
    dump = heaps.write_big(tmp_path / "d.dump", 800_000)
    result = lake.run("import", "--dump", "d", "--memory-limit", "16MB", dump)
    assert result.returncode == 0
    assert b"heaplake" in result.stderr and b"index d" in result.stderr
    assert lake.sql("select count(*) from obj where retained is not null") == [(0,)]
    assert "--memory-limit" in lake.fails("index", "--memory-limit", "16MB", "d")
    lake.ok("--quiet", "index", "d")
    assert lake.sql("select count(*) from obj where retained is null") == [(0,)]
    lake.assert_sound()


def test_a_spilled_import_has_the_same_index(lake, big_dump):
    """With 16 MB the edges stay in the index file while it is built."""
    lake.load(big_dump, "whole")
    lake.load(big_dump, "spilled", "--memory-limit", "80MB")
    lake.load(big_dump, "in_file", "--memory-limit", "16MB")
    lake.load(big_dump, "later", "--no-index")
    lake.ok("--quiet", "index", "--memory-limit", "16MB", "later")
    for dump in ["spilled", "in_file", "later"]:
        assert lake.manifest(dump)["indexed"]
        for table in ["obj", "root", "type_stat", "holder_stat"]:
            query = f"select * exclude (dump) from {{}}.{table}"
            assert lake.sql(f"{query.format('whole')} except {query.format(dump)} limit 3") == []
        in_order = index_file(lake, "whole").stat().st_size
        assert abs(index_file(lake, dump).stat().st_size - in_order) < 1000
    lake.assert_sound()
