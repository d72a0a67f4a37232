"""Paths against brute force: random patterns on random heaps, row for row."""

import json
import random

import pytest

import matcher
import patterns
from lake import Lake
from matcher import Heap, Object, Reference

N_HEAPS = 80
N_PATTERNS = 30
#: How many heaps are asked by one process.
AT_ONCE = 20

ROWS = "path_id, hop, address, type, arrow, idx, variable"
TYPE_ROWS = "hop, type, objects, size"
OBJECTS = "address, type, name, value, size, len, root_kind, idom, retained"


#: What must be in some pattern that matches something.
PIECES = [
    *["..>", "<..", "->", "<-", "..{1,2}>", "<..{2,}", "dict?", " | ", "|root", "(*)", "@0x", "/^app/"],
    '"odd ""x"" /type"',
    *[")?", ")*", ")+", "){2}", "){2,}", "){0,2}", "){1,3}", ": *)", " WHERE ", "EXCEPT EDGES (WHERE", "EXCEPT Node"],
    *["..{0,2}>", "..{0,}>", ": *)?", "null)?", " PER ", "WITHIN 0", "LIMIT"],
]


class Case:
    """A heap, one of its patterns, and what the matcher says."""

    def __init__(self, dump, number, heap, pattern):
        self.dump, self.q, self.heap, self.pattern = dump, f"{dump} q{number}", heap, pattern
        answer = {"REACH": matcher.reached, "TYPES": matcher.types, "DOMINATED": matcher.dominated}
        self.expected = answer.get(pattern.selector, matcher.paths)(pattern, heap)

    def call(self, function="path"):
        text = self.pattern.text().replace("'", "''")
        return f"{function}('{text}', '{self.dump}')"

    def select(self):
        return f"select '{self.q}' as q, {TYPE_ROWS if self.pattern.selector == 'TYPES' else ROWS} from {self.call()}"

    def message(self, got):
        heap = patterns.heap_text(seed_of(self.dump))
        roots = {a: o.root_kind for a, o in self.heap.objects.items() if o.root_kind}
        return (
            f"\n{self.pattern.text()}\n\non {self.dump}, roots {roots}:\n{heap}\n"
            f"expected {self.expected}\n\ngot {show(got)}"
        )


def show(rows):
    return "\n    ".join(map(str, ["", *rows]))


def seed_of(dump):
    return int(dump.removeprefix("heap_"))


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """A lake of random heaps, and all patterns on them by dump."""
    folder = tmp_path_factory.mktemp("paths")
    files = []
    for seed in range(N_HEAPS):
        files.append(folder / f"heap-{seed}.dump")
        files[-1].write_text(patterns.heap_text(seed))
    lake = Lake(folder / "lake")
    lake.ok("--quiet", "import", *files)
    return lake, {dump: cases_of(dump, heap) for dump, heap in heaps_of(lake).items()}


def cases_of(dump, heap):
    maker = patterns.Maker(dump, heap)
    return [Case(dump, number, heap, maker.pattern()) for number in range(N_PATTERNS)]


def heaps_of(lake):
    """The heap of every dump, from its tables."""
    objects, references = {dump: [] for dump in lake.dumps()}, {}
    for dump, *row in lake.sql(f"select dump, {OBJECTS} from history.obj"):
        objects[dump].append(Object(*row))
    for dump, *row in lake.sql("select dump, parent, child, idx, kind from history.edge"):
        references.setdefault(dump, []).append(Reference(*row))
    return {dump: Heap(objects[dump], references.get(dump, [])) for dump in objects}


def ask(lake, asked, *args):
    """The rows of many cases, by question; in one process."""
    statements = {}
    for case in asked:
        # Answers with the same columns are one statement.
        statements.setdefault((case.dump, case.pattern.selector == "TYPES"), []).append(case.select())
    text = ";\n".join(" union all ".join(selects) for selects in statements.values())
    result = lake.run("--quiet", "sql", "--format", "ndjson", *args, input=text.encode())
    if result.returncode != 0:
        pytest.fail(the_one_that_fails(lake, asked, args) or f"only together:\n{text}\n{result.stderr.decode()}")
    rows = {case.q: [] for case in asked}
    for line in result.stdout.splitlines():
        q, *row = json.loads(line).values()
        rows[q].append(tuple(row))
    return rows


def the_one_that_fails(lake, asked, args):
    for case in asked:
        result = lake.run("--quiet", "sql", *args, case.select())
        if result.returncode != 0:
            return case.message([f"exit {result.returncode}", result.stderr.decode()])
    return None


def check(case, rows):
    """Compares the rows of one case with the matcher's answer."""
    selector = case.pattern.selector
    if selector == "TYPES":
        assert rows == case.expected, case.message(rows)
        return
    kinds = {a: o.type for a, o in case.heap.objects.items()}
    assert all(kinds[address] == kind for _, _, address, kind, *_ in rows), case.message(rows)
    if selector == "REACH":
        found = [(hop, address) for _, hop, address, *_ in rows]
        assert found == case.expected[: case.pattern.limit], case.message(rows)
    elif selector == "DOMINATED":
        check_dominated(case, rows)
    else:
        check_paths(case, rows)


def check_dominated(case, rows):
    """Every holder has a number; within it the depths are as in the dominator tree."""
    trees = {}
    for path_id, hop, address, *_ in rows:
        trees.setdefault(path_id, []).append((address, hop))
    found = {next(a for a, hop in tree if hop == 0): dict(tree) for tree in trees.values()}
    assert found == case.expected and len(rows) == sum(map(len, found.values())), case.message(rows)
    assert list(trees) == list(range(len(trees))), case.message(rows)


def check_paths(case, rows):
    """The same paths in the same order; each row tells an arrow, reference and name of a match of this path."""
    by_id = {}
    for row in rows:
        by_id.setdefault(row[0], []).append(row[1:])
    walks = [tuple(address for _, address, *_ in path) for path in by_id.values()]
    assert walks == [walk for walk, _ in case.expected], case.message(rows)
    assert list(by_id) == list(range(len(by_id))), case.message(rows)
    for path, (walk, ways) in zip(by_id.values(), case.expected):
        assert [hop for hop, *_ in path] == list(range(len(walk))), case.message(rows)
        arrows, variables = tuple(row[3] for row in path), [row[5] for row in path]
        assert arrows[0] is None and any(
            arrows[1:] == way and all(v in (names or {None}) for v, names in zip(variables, bound))
            for way, bound in ways
        ), f"{case.message(rows)}\n\nways {ways}"
        left = case.heap.without(case.pattern.not_nodes, case.pattern.not_edges)
        positions = [None, *(left.idx(*hop) for hop in zip(walk, arrows[1:], walk[1:]))]
        assert [row[4] for row in path] == positions, case.message(rows)


def in_parts(cases, dumps):
    for start in range(0, len(dumps), AT_ONCE):
        yield [case for dump in dumps[start : start + AT_ONCE] for case in cases[dump]]


def test_the_patterns_try_everything(cases):
    """A test of nothing shows nothing: most patterns match something, and every construct is there."""
    every = [case for of in cases[1].values() for case in of]
    assert len(every) == N_HEAPS * N_PATTERNS
    assert sum(bool(case.expected) for case in every) > 0.5 * len(every)
    assert sum(len(case.expected) > 1 for case in every) > 0.3 * len(every)
    for selector in patterns.SELECTORS:
        answers = [case.expected for case in every if case.pattern.selector == selector]
        assert sum(map(bool, answers)) > 40, selector
    text = "\n".join(case.pattern.text() for case in every if case.expected)
    missing = [piece for piece in PIECES if piece not in text]
    assert missing == []
    kinds = {o.root_kind for of in cases[1].values() for o in of[0].heap.objects.values()}
    assert kinds == {None, "module", "unreferenced", "cycle"}


def test_every_answer_is_that_of_brute_force(cases):
    lake, by_dump = cases
    for part in in_parts(by_dump, list(by_dump)):
        rows = ask(lake, part)
        for case in part:
            check(case, rows[case.q])


def test_the_join_form_answers_alike(cases):
    lake, by_dump = cases
    for part in in_parts(by_dump, list(by_dump)[:12]):
        part = [case for case in part if case.pattern.selector != "DOMINATED"]
        rows = ask(lake, part, "--plan", "join")
        for case in part:
            check(case, rows[case.q])


def test_summaries_are_of_the_same_paths(cases):
    """One row per path: its hops, the bytes of its objects, where it begins and where it ends."""
    lake, by_dump = cases
    asked = [c for dump in list(by_dump)[:20] for c in by_dump[dump] if c.pattern.selector in patterns.PATHS]
    columns = "path_id, hops, bytes, start, \"end\""
    text = " union all ".join(f"select '{c.q}' as q, {columns} from {c.call('path_summary')}" for c in asked)
    found = {c.q: [] for c in asked}
    for q, *row in lake.sql(text, "--quiet"):
        found[q].append(tuple(row))
    for case in asked:
        size = {a: o.size for a, o in case.heap.objects.items()}
        expected = [
            (i, len(walk) - 1, sum(size[a] for a in set(walk)), walk[0], walk[-1])
            for i, (walk, _) in enumerate(case.expected)
        ]
        assert found[case.q] == expected, case.message(found[case.q])


def test_the_command_answers_as_sql_does(cases):
    lake, by_dump = cases
    chance = random.Random(5)
    for dump in list(by_dump)[20:30]:
        case = chance.choice([c for c in by_dump[dump] if c.pattern.selector in patterns.PATHS])
        columns = [column.strip() for column in ROWS.split(",")]
        output = lake.ok("path", "--dump", dump, "--format", "ndjson", case.pattern.text())
        rows = [json.loads(line) for line in output.splitlines()]
        check(case, [tuple(row[column] for column in columns) for row in rows])


def test_wide_ids_answer_alike(cases, tmp_path):
    """Graphs beyond 2^32 are out of reach here; the ids they need are not."""
    _, by_dump = cases
    lake, dumps = Lake(tmp_path / "wide"), list(by_dump)[30:40]
    files = [tmp_path / f"{dump}.dump" for dump in dumps]
    for file in files:
        file.write_text(patterns.heap_text(seed_of(file.stem)))
    lake.ok("--quiet", "import", "--wide-ids", *files)
    asked = [case for dump in dumps for case in by_dump[dump]]
    rows = ask(lake, asked)
    for case in asked:
        check(case, rows[case.q])


@pytest.mark.parametrize("plan", ["index", "join"])
def test_paths_of_a_layer_are_of_what_it_left(cases, plan):
    """With --layer a pattern is about the dump without what was cut."""
    lake, by_dump = cases
    n_matched = 0
    for dump in list(by_dump)[50:60]:
        lake.ok("--quiet", "whatif", "--dump", dump, "--cut", "idx = 0 and parent % 3 = 0", "--save", f"cut-{plan}")
        here = ["--dump", dump, "--layer", f"cut-{plan}"]
        objects = [Object(*row) for row in lake.sql(f"select {OBJECTS} from obj", *here)]
        references = [Reference(*row) for row in lake.sql("select parent, child, idx, kind from edge", *here)]
        layer = Heap(objects, references)
        asked = [Case(dump, i, layer, case.pattern) for i, case in enumerate(by_dump[dump])]
        asked = [case for case in asked if plan == "index" or case.pattern.selector != "DOMINATED"]
        rows = ask(lake, asked, "--plan", plan, *here)
        for case in asked:
            check(case, rows[case.q])
            n_matched += bool(case.expected)
    assert n_matched > 30


def test_what_the_join_form_cannot_do_is_said(cases):
    lake, by_dump = cases
    message = lake.fails("path", "--plan", "join", "--dump", next(iter(by_dump)), "DOMINATED root")
    assert "DOMINATED" in message
