"""Paths as SQL: what --emit sql prints, run by DuckDB on the lake's files, gives the answer of both plans."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

import matcher
import patterns
from lake import Lake
from matcher import Edge, Group
from test_path_oracle import heaps_of, seed_of

N_HEAPS = 16
N_PATTERNS = 14

#: Hang guard of one query, in seconds.
PATIENCE = 60

REAL = [
    "REACH root ..> CombinedSystem",
    "REACH LmsModuleSystem -> dict? -> CombinedSystem",
    "REACH root ..> (LmsModuleSystem -> dict? -> CombinedSystem ->)+ LmsModuleSystem",
    "REACH CapaDescriptor ..> (d: dict WHERE size > 200) EXCEPT module, type",
    "REACH CombinedSystem (<- dict | <- LmsModuleSystem)* <- CapaDescriptor",
    "SHORTEST 20 LmsModuleSystem -> dict? -> CombinedSystem",
    "LmsModuleSystem -> dict? -> CombinedSystem",
    "root ..> CombinedSystem WITHIN 8",
    "TYPES CombinedSystem <.. * WITHIN 4 EXCEPT module",
    "ALL SHORTEST CapaDescriptor ..> CombinedSystem WITHIN 4",
    "ALL ACYCLIC CapaDescriptor -> dict -> LmsModuleSystem -> dict -> CombinedSystem WITHIN 4 LIMIT 30",
    "SHORTEST 9 LmsModuleSystem <- dict -> (x: * WHERE size > 100) EXCEPT EDGES (WHERE idx = 0)",
    "SHORTEST 9 Lms* <..{1,4} /^(dict|list|tuple)$/ <- Module* EXCEPT EDGES module -> dict",
]

#: What standard SQL cannot say, or not in reasonable time.
UNSAYABLE = [
    "root ..> CombinedSystem",
    "SHORTEST 3 root (-> dict)* -> list",
    "ALL SHORTEST CombinedSystem <..{2,} *",
    "TYPES CombinedSystem <.. *",
    "(x: CombinedSystem) -> * PER x",
    "DOMINATED CapaDescriptor",
]


def duck_of(lake, dump):
    """DuckDB with the tables of one dump."""
    duck = duckdb.connect(config={"threads": 2})
    for table in ("obj", "edge", "root"):
        files = lake.path / table / f"dump={dump}" / "*.parquet"
        duck.execute(f"create view {table} as select * from read_parquet('{files}', hive_partitioning = true)")
    return duck


def run(duck, query):
    """The rows of a query, or a failure when it takes too long."""
    guard = threading.Timer(PATIENCE, duck.interrupt)
    guard.start()
    try:
        return duck.execute(query).fetchall()
    except duckdb.Error as error:
        pytest.fail(f"{error}\n\n{query}")
    finally:
        guard.cancel()


def emit(lake, dump, text):
    return lake.ok("--quiet", "path", "--dump", dump, "--emit", "sql", text)


def ask(lake, dump, text, plan):
    """The rows of the command, in its own form."""
    output = lake.ok("--quiet", "path", "--dump", dump, "--plan", plan, "--format", "ndjson", text)
    return [json.loads(line) for line in output.splitlines()]


def as_emitted(text, rows):
    """What the emitted SQL is to say, from the rows of the command."""
    if text.startswith("REACH"):
        return sorted((row["address"],) for row in rows)
    if text.startswith("TYPES"):
        return [(row["hop"], row["type"], row["objects"], row["size"]) for row in rows]
    walks = {}
    for row in rows:
        walks.setdefault(row["path_id"], []).append(row["address"])
    return [emitted(walk) for walk in walks.values()]


def emitted(walk):
    return len(walk) - 1, "/".join(f"{address:020}" for address in walk)


def in_order(text, rows):
    """REACH promises no order in SQL."""
    return sorted(rows) if text.startswith("REACH") else rows


def sayable(pattern):
    """Whether a pattern is one that the emitted SQL promises to say."""
    if pattern.per or pattern.selector == "DOMINATED":
        return False
    if pattern.selector == "REACH":
        return True
    return pattern.within is not None or pattern.selector != "TYPES" and not any(map(endless, pattern.row))


def endless(part):
    if isinstance(part, Group):
        return part.most is None or any(endless(p) for row in part.alternatives for p in row)
    return isinstance(part, Edge) and part.most is None


def expected_of(pattern, heap):
    if pattern.selector == "REACH":
        return sorted((address,) for _, address in matcher.reached(pattern, heap))
    if pattern.selector == "TYPES":
        return matcher.types(pattern, heap)
    # SQL knows objects by their addresses alone.
    return [emitted(walk) for walk, _ in matcher.paths(pattern, heap, order=lambda walk: walk)]


@pytest.fixture(scope="module")
def heap_lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    files = []
    for seed in range(1000, 1000 + N_HEAPS):
        files.append(folder / f"heap-{seed}.dump")
        files[-1].write_text(patterns.heap_text(seed))
    lake = Lake(folder / "lake")
    lake.ok("--quiet", "import", *files)
    return lake


def test_the_emitted_sql_finds_what_brute_force_finds(heap_lake):
    n_matched = n_said = 0
    for dump, heap in heaps_of(heap_lake).items():
        maker = patterns.Maker(dump, heap)
        made = [maker.pattern() for _ in range(N_PATTERNS)]
        # A limit of REACH cuts in an order that the SQL does not promise.
        said = [p for p in made if sayable(p) and not (p.selector == "REACH" and p.limit)]
        with ThreadPoolExecutor(4) as pool:
            queries = list(pool.map(lambda p: emit(heap_lake, dump, p.text()), said))
        duck = duck_of(heap_lake, dump)
        for pattern, query in zip(said, queries):
            text, expected = pattern.text(), expected_of(pattern, heap)
            found = in_order(text, run(duck, query))
            where = f"\n{text}\n\non {dump}:\n{patterns.heap_text(seed_of(dump))}"
            assert found == expected, f"{where}\nexpected {expected}\ngot {found}\n\n{query}"
            n_matched, n_said = n_matched + bool(expected), n_said + 1
    assert n_said > 60 and n_matched > 30, "mostly patterns that match something"


@pytest.mark.parametrize("text", REAL)
@pytest.mark.parametrize("dump", ["py27-2", "py38-3"])
def test_three_engines_agree_on_the_real_dumps(edx_lake, dump, text):
    expected = as_emitted(text, ask(edx_lake, dump, text, "index"))
    assert as_emitted(text, ask(edx_lake, dump, text, "join")) == expected
    query = emit(edx_lake, dump, text)
    found = in_order(text, run(duck_of(edx_lake, dump), query))
    if text.startswith(("REACH", "TYPES")):
        assert found == expected, query
    elif text.startswith("ALL") and "LIMIT" not in text:
        assert sorted(found) == sorted(expected), query
    else:
        # Of equally short paths the SQL takes the one with the smallest addresses.
        assert [hops for hops, _ in found] == [hops for hops, _ in expected], query


def test_the_real_questions_have_answers(edx_lake):
    for text in REAL:
        if text != "root ..> CombinedSystem WITHIN 8":
            assert ask(edx_lake, "py38-3", text, "auto"), text


@pytest.mark.parametrize("text", UNSAYABLE)
def test_what_sql_cannot_say_is_a_clear_error(edx_lake, text):
    message = edx_lake.fails("path", "--dump", "py38-1", "--emit", "sql", text)
    assert "SQL" in message or "sql" in message, message


def test_other_languages_cannot_be_emitted(edx_lake):
    edx_lake.fails("path", "--emit", "cypher", "root ..> dict")
