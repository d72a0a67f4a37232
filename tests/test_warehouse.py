"""Selectors, tags, checks, files from outside, pruning, and imports at the same time."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import xml.etree.ElementTree

import pytest

import heaps
from lake import BINARY, REPOSITORY, Lake, environment


@pytest.fixture(scope="module")
def warehouse(edx, tmp_path_factory):
    """Three moments, with tags. Only read it."""
    lake = Lake(tmp_path_factory.mktemp("warehouse") / "lake")
    for n in (1, 2, 3):
        lake.load(edx[f"py38-{n}"], f"edx{n}", "--taken", f"2015-11-2{n}T10:00:00Z", "--tag", f"build={98 + n}")
    return lake


@pytest.mark.parametrize(
    "selector, dumps",
    [
        ("edx2", ["edx2"]),
        ("latest~2", ["edx1"]),
        ("build>=100", ["edx2", "edx3"]),
        ("build=99..latest~1", ["edx1", "edx2"]),
        ("edx*,taken<2015-11-23", ["edx1", "edx2"]),
        ("*~0", ["edx3"]),
    ],
)
def test_a_selector_means_the_same_everywhere(warehouse, selector, dumps):
    assert [row["id"] for row in json.loads(warehouse.ok("dumps", selector, "--format", "json"))] == dumps
    paths = warehouse.ok("path", "root ..> CapaDescriptor", "--dump", selector, "--format", "ndjson").splitlines()
    assert len(paths) > 0
    if len(dumps) > 1:
        assert sorted({json.loads(line)["dump"] for line in paths}) == dumps
        assert "~0" in warehouse.fails("info", selector)
        assert "~0" in warehouse.fails("sql", "--dump", selector, "select 1")
        return
    assert json.loads(warehouse.ok("info", selector, "--format", "json"))[0]["id"] == dumps[0]
    assert warehouse.sql("select distinct dump from type_stat", "--dump", selector) == [(dumps[0],)]
    assert warehouse.sql(f'select distinct dump from "{selector}".type_stat') == [(dumps[0],)]
    ((top,),) = warehouse.sql(f"select count(*) from top_dominators(5, '{selector}')")
    assert top == 5


def test_a_tag_decides_which_files_are_read(warehouse, tmp_path):
    lake = Lake(tmp_path / "lake")
    shutil.copytree(warehouse.path, lake.path)
    for dump in ("edx1", "edx3"):
        shutil.rmtree(lake.path / f"obj/dump={dump}")
    wanted = lake.sql("select count(*) from edx2.obj")
    assert lake.sql("select count(*) from history.obj where tag(dump, 'build') = '100'") == wanted
    assert lake.sql("select count(*) from history.obj where dump = 'edx2'") == wanted
    assert "missing" in lake.fails("sql", "select count(*) from history.obj where tag(dump, 'build') >= '100'")


def test_tag_in_sql(warehouse):
    rows = [("edx1", "99", None), ("edx2", "100", None), ("edx3", "101", None)]
    assert warehouse.sql("select id, tag('build'), tag('none') from dump order by id") == rows
    assert warehouse.sql("select id, TAG(d.tags, 'build'), tag(id, 'none') from history.dump d order by id") == rows
    assert warehouse.sql("select id from dump where tag('build') = '100' and tag('none') is null") == [("edx2",)]
    assert "tag is called as" in warehouse.fails("sql", "select tag(1, 'x')")


def test_tags_change_and_stay_while_an_index_is_built(lake, small_dump):
    lake.load(small_dump, "x", "--no-index", "--tag", "a=1", "--tag", "b=2")
    building = lake.start("index", "x")
    lake.ok("tag", "x", "b=3", "c=4", "--unset", "a", "--taken", "2015-11-22T10:00:00Z")
    assert building.wait(60) == 0
    manifest = lake.manifest("x")
    assert manifest["tags"] == {"b": "3", "c": "4"} and manifest["taken"].startswith("2015-11-22T10:00:00")
    assert manifest["indexed"]
    assert lake.run("verify").returncode == 0
    for bad in ("taken=1", "=1", "a b=1"):
        assert lake.run("tag", "x", bad).returncode == 2
    assert "what to say?" in lake.fails("tag", "x")


def test_checks_tell_by_their_exit_code(warehouse):
    assert warehouse.run("check", "max_total", "limit=1GiB").returncode == 0
    assert warehouse.run("check", "max_total", "limit=1KiB").returncode == 1
    assert warehouse.run("check", "max_total", "limit=1KiB", "-e", "selec").returncode == 2
    assert "--baseline" in warehouse.run("check", "no_growth").stdout.decode()
    assert "did you mean no_chain?" in warehouse.fails("check", "no_chian")
    assert "is not a percentage" in warehouse.fails("check", "no_growth", "slack=much")
    assert "is none of count, size, retained" in warehouse.fails("check", "no_growth", "by=weight")
    assert "put a check's name before it" in warehouse.fails("check", "min=3")


def test_growth_is_measured_exactly(warehouse):
    truth = json.loads((REPOSITORY / "datasets/edx/py38/truth.json").read_text())
    before, after = (truth["dumps"][n]["expected_type_counts"]["CombinedSystem"] for n in (0, 2))
    percent = 100 * (after - before) / before

    def outcome(slack):
        arguments = ["check", "--baseline", "edx1", "no_growth", "type=CombinedSystem", f"slack={slack}%"]
        result = warehouse.run(*arguments, "--format", "ndjson")
        return result.returncode, json.loads(result.stdout)

    code, row = outcome(percent - 1)
    assert (code, row["status"], row["violations"]) == (1, "violated", 1)
    assert f"before={before}, after={after}, delta={after - before}" in row["what"]
    assert outcome(percent + 1)[0] == 0


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPOSITORY / "queries/checks").glob("*.sql")))
def test_every_check_runs_and_has_the_columns_of_its_header(warehouse, name):
    text = (REPOSITORY / f"queries/checks/{name}.sql").read_text()
    assert warehouse.ok("check", "--show", name) == text
    listed = [row["name"] for row in json.loads(warehouse.ok("check", "--format", "json"))]
    assert name in listed
    strict = {"limit": "0", "min": "2", "pattern": "root ..> CapaDescriptor"}
    declared = re.findall(r"^-- param (\w+)", text, re.M)
    arguments = [f"{key}={strict[key]}" for key in declared if key in strict]
    if name == "no_path":
        arguments.remove("limit=0")
    if name == "no_new_type":
        result = warehouse.run("check", "--dump", "edx1", "--baseline", "edx1", name)
        assert result.returncode == 0, result.stdout
        return
    result = warehouse.run("check", "--dump", "edx3", "--baseline", "edx1", name, *arguments, "--format", "ndjson")
    row = json.loads(result.stdout)
    assert row["status"] in ("violated", "ok"), row
    if row["status"] == "violated":
        columns = re.findall(r"^-- column (\w+)", text, re.M)
        assert set(re.findall(r"(?:^|, )(\w+)=", row["what"].split("\n")[0])) <= set(columns)
    else:
        assert name in ("no_garbage", "no_suspects")


def test_reports_survive_hostile_names(lake, tmp_path):
    lines = [
        json.dumps({"address": 16 * (i + 1), "type": f"x{name}%,::]]>&<", "size": 8, "refs": []})
        for i, name in enumerate(heaps.NASTY)
    ]
    (tmp_path / "x.json").write_text("\n".join(lines) + "\n")
    lake.load(tmp_path / "x.json", "x")
    summary = tmp_path / "summary.md"
    arguments = ["check", "-e", "select type, count from type_stat", "no_chain", "--junit", tmp_path / "r.xml"]
    result = subprocess.run(
        lake.command(*arguments),
        env=environment() | {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True,
    )
    assert result.returncode == 1, result.stderr
    out = result.stdout.decode()
    assert "\x1b" not in out and "\u202e" not in out
    (command,) = [line for line in out.split("\n") if line.startswith("::")]
    properties, _, data = command.removeprefix("::error ").partition("::")
    assert properties.startswith("title=heaplake check select type%2C count from type_stat")
    assert "%25%2C" not in data and "%25,::" in data and "%0A" in data
    cases = xml.etree.ElementTree.parse(tmp_path / "r.xml").getroot().findall(".//testcase")
    assert [case.get("name") for case in cases] == ["no_chain", "select type, count from type_stat"]
    failures = [case.find("failure") for case in cases]
    assert failures[0] is None and failures[1].get("message") == f"{len(heaps.NASTY)} violations"
    assert "]]>&<" in failures[1].text and "and 2 more" in failures[1].text
    assert summary.read_text().count("\n") == 6


def test_the_recipe_for_pytest_runs_as_it_is_written(warehouse, edx, tmp_path):
    (recipe,) = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "docs/checks.md").read_text(), re.M | re.S)
    (tmp_path / "test_memory.py").write_text(recipe)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/heaplake").symlink_to(BINARY)
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for n in (1, 3):
        shutil.copy(edx[f"py38-{n}"], dumps / f"moment{n}.dump.gz")
    own = environment()
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_memory.py"],
        cwd=tmp_path,
        env=own | {"PATH": f"{tmp_path / 'bin'}:{own['PATH']}", "HEAPLAKE_LAKE": "lake", "DUMPS": "dumps"},
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in result.stdout, result.stdout
    assert "VIOLATED  no_chain min=20: 1 row" in result.stdout


@pytest.mark.parametrize("ending", ["csv", "tsv", "ndjson", "jsonl", "json", "parquet", "arrow", "csv.gz", "ndjson.gz"])
def test_files_from_outside(warehouse, tmp_path, ending):
    import pyarrow.feather
    import pyarrow.parquet

    rows = [{"build": "99", "requests": 10}, {"build": "101", "requests": 30}]
    file = tmp_path / f"a b'c.{ending}"
    kind = ending.removesuffix(".gz")
    if kind in ("csv", "tsv"):
        comma = "," if kind == "csv" else "\t"
        content = "".join(comma.join(map(str, line)) + "\n" for line in [rows[0].keys(), *(row.values() for row in rows)])
    elif kind == "json":
        content = json.dumps(rows)
    else:
        content = "".join(json.dumps(row) + "\n" for row in rows)
    table = pyarrow.Table.from_pylist(rows)
    if kind == "parquet":
        pyarrow.parquet.write_table(table, file)
    elif kind == "arrow":
        pyarrow.feather.write_feather(table, str(file), compression="uncompressed")
    else:
        file.write_bytes(gzip.compress(content.encode()) if ending.endswith(".gz") else content.encode())
    query = "select d.id, o.requests from dump d join outside o on cast(o.build as text) = tag(d.tags, 'build') order by 1"
    assert warehouse.sql(query, "--attach", f"outside={file}") == [("edx1", 10), ("edx3", 30)]


def test_what_cannot_be_attached(warehouse, tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    (tmp_path / "x.txt").write_text("a\n1\n")
    file = tmp_path / "x.csv"
    for attached, part in [
        (f"obj={file}", "is a table of the lake"),
        (f"A={file}", "cannot name a table"),
        (f"a={tmp_path / 'x.txt'}", "its name ends in none of"),
        (f"a={tmp_path / 'none.csv'}", "No such file"),
        ("a", "NAME=FILE"),
    ]:
        assert part in warehouse.fails("sql", "--attach", attached, "select 1")
    twice = ["--attach", f"a={file}", "--attach", f"a={file}"]
    assert "attached twice" in warehouse.fails("sql", *twice, "select 1")
    only = ["--attach", f"a={file}"]
    assert "refused" in warehouse.fails("sql", *only, f"select * from '{file}'")
    assert "refused" in warehouse.fails("sql", *only, "insert into a values (1)")
    assert file.read_text() == "a\n1\n"


def test_a_row_that_does_not_fit_is_shown_with_its_file(warehouse, tmp_path):
    late = tmp_path / "late.csv"
    late.write_text("a,b\n" + "1,2\n" * 1_500 + "x,2\n")
    error = warehouse.fails("sql", "--attach", f"t={late}", "select sum(a) from t")
    assert "late.csv: " in error and "'[x,2]'" in error and "first 1,000 rows" in error
    short = tmp_path / "short.csv"
    short.write_text("a,b\n1,2\n3\n")
    error = warehouse.fails("sql", "--attach", f"t={short}", "select 1")
    assert "cannot attach" in error and "short.csv" in error and "line 3" in error
    mixed = tmp_path / "mixed.ndjson"
    mixed.write_text('{"a": 1}\n' * 1_500 + '{"a": "x"}\n')
    assert "mixed.ndjson: " in warehouse.fails("sql", "--attach", f"t={mixed}", "select sum(a) from t")
    broken = tmp_path / "broken.parquet"
    broken.write_text("no Parquet file, but text")
    error = warehouse.fails("sql", "--attach", f"t={broken}", "select 1")
    assert "cannot attach" in error and "verify" not in error


def test_line_breaks_in_quotes_do_not_end_rows_of_large_files(warehouse, tmp_path):
    file = tmp_path / "large.csv"
    n = 40_000
    file.write_text("a,b\n" + "".join(f'{i},"one\ntwo,{i}\nthree{"x" * 40}"\n' for i in range(n)))
    question = "select count(*), sum(a), count(distinct b) from t"
    assert warehouse.sql(question, "--attach", f"t={file}") == [(n, n * (n - 1) // 2, n)]


def test_a_script_writes_a_file_for_each_result(warehouse, tmp_path):
    script = tmp_path / "two results.sql"
    script.write_text(
        "-- What?\n-- param before dump = latest~1: dump\n-- param limit size = 1KiB: bytes\n"
        "select count(*) as n from history.obj where dump = $before and size > $limit;\n"
        "-- result paths\nroot ..> /it's|CapaDescriptor;?$/;\n-- result none\nREACH NoSuch*;"
    )
    out = tmp_path / "out"
    warehouse.ok("run", script, "-o", f"{out}/", "--format", "ndjson")
    assert sorted(os.listdir(out)) == ["none.ndjson", "paths.ndjson", "two-results-1.ndjson"]
    assert (out / "none.ndjson").read_text() == ""
    path = [json.loads(line) for line in (out / "paths.ndjson").read_text().splitlines()]
    assert path[-1]["type"] == "CapaDescriptor" and path[0]["root_kind"] is not None
    wanted = warehouse.sql("select count(*) from edx2.obj where size > 1024")
    assert [tuple(json.loads((out / "two-results-1.ndjson").read_text()).values())] == wanted
    whole = json.loads(warehouse.ok("run", script, "--format", "json", "--param", "before=edx2"))
    assert [*whole] == ["two-results-1", "paths", "none"] and whole["paths"] == path and whole["none"] == []
    # What is there already goes only when its successor is complete.
    before = {name: (out / name).read_text() for name in os.listdir(out)}
    script.write_text(script.read_text() + "-- result last\nselect 1 / (count(*) - count(*)) from obj")
    assert "result last" in warehouse.fails("run", script, "-o", out, "--format", "ndjson")
    assert {name: (out / name).read_text() for name in os.listdir(out)} == before


@pytest.mark.parametrize("name", ["../x", "/x", ".x", "a b", "x\u202ey", "x" * 64])
def test_a_result_cannot_leave_its_folder(warehouse, tmp_path, name):
    script = tmp_path / "x.sql"
    script.write_text(f"-- result {name}\nselect 1 as a")
    error = warehouse.fails("sql", "-f", script, "-o", f"{tmp_path}/out/")
    assert "cannot name a result" in error and "\u202e" not in error
    assert sorted(os.listdir(tmp_path)) == ["x.sql"]


def test_pruning_leaves_what_trends_need(lake, edx):
    for n in (1, 2, 3):
        lake.load(edx[f"py38-{n}"], f"d{n}", "--taken", f"2015-11-2{n}T10:00:00Z")
    questions = [
        "select * from trend('*', 'type', 'count') order by rank",
        "select * from trend('*', 'holder') order by rank",
        "select * from diff('d1', 'd3', 'holder') order by rank",
        "select * from history.type_stat order by dump, type",
    ]
    before = [lake.sql(question) for question in questions]
    assert "would be removed" in lake.run("prune", "--keep-last", "1", "--dry-run").stderr.decode()
    assert len(lake.parquet_files()) == 21
    lake.ok("prune", "--keep-last", "1", "--keep-summaries")
    assert [lake.sql(question) for question in questions] == before
    assert lake.parquet_files() == lake.named_files() and len(lake.parquet_files()) == 15
    assert not (lake.path / "index/dump=d1").exists()
    assert lake.sql("select distinct dump from history.obj") == [("d3",)]
    for query in (
        "select count(*) from d1.obj",
        "select * from path('root ..> CapaDescriptor', 'd1')",
        "select * from top_dominators(3, 'd2')",
    ):
        assert "were pruned on" in lake.fails("sql", query)
    assert "were pruned on" in lake.fails("index", "d1")
    assert "were pruned on" in lake.fails("top", "d1")
    assert "pruned" in lake.ok("dumps", "--format", "table")
    assert lake.sql("select id from dump where pruned is not null order by id") == [("d1",), ("d2",)]
    assert lake.run("verify").returncode == 0
    lake.load(edx["py38-1"], "d1", "--replace", "--taken", "2015-11-21T10:00:00Z")
    assert lake.sql("select count(*) > 0 from d1.obj") == [(True,)]
    lake.ok("prune", "--older-than", "1d")
    assert lake.dumps() == []


def test_pruning_by_a_tag_keeps_some_of_each(lake, small_dump):
    for i in range(6):
        lake.load(small_dump, f"d{i}", "--taken", f"2015-11-2{i}T10:00:00Z", "--tag", f"host={'ab'[i % 2]}", "--no-index")
    lake.ok("prune", "--keep-last", "1", "--per", "host")
    assert lake.dumps() == ["d4", "d5"]
    assert "prune" in lake.run("prune").stderr.decode()


def test_queries_go_on_while_their_dump_is_pruned(lake, big_dump):
    lake.load(big_dump, "x", "--no-index")
    question = "select count(*), sum(a.size), sum(length(b.value)) from obj a join obj b on a.address = b.address"
    whole = lake.sql(question)
    running = [lake.start("sql", "--format", "csv", question) for _ in range(3)]
    # They hold their files once their first lines are planned; one that came too late says so.
    pruning = lake.start("prune", "--keep-last", "0", "--keep-summaries")
    answers = [process.communicate(timeout=60) for process in running]
    assert pruning.wait(60) == 0
    for process, (out, err) in zip(running, answers):
        if process.returncode == 0:
            assert [tuple(map(int, out.decode().split("\n")[1].split(",")))] == whole
        else:
            assert re.search("pruned|removed or replaced", err.decode()), err
    assert lake.run("verify").returncode == 0
    assert lake.sql("select sum(count) from x.type_stat") == [(300_000,)]


def test_a_prune_that_is_killed_leaves_all_or_the_summaries(lake, small_dump):
    whole = pruned = 0
    for i in range(25):
        lake.load(small_dump, "x", "--replace", "--no-index")
        process = lake.start("prune", "--keep-last", "0", "--keep-summaries")
        timer = threading.Timer(0.002 * i, process.kill)
        timer.start()
        process.wait(60)
        timer.cancel()
        manifest = lake.manifest("x")
        if "pruned" in manifest:
            pruned += 1
            assert {file["table"] for file in manifest["files"]} <= {"issue", "type_stat", "holder_stat", "module_stat"}
        else:
            whole += 1
            assert lake.sql("select count(*) from obj") == [(1_000,)]
        # The next command that writes clears away what is left.
        lake.ok("tag", "x", f"round={i}")
        assert lake.parquet_files() == lake.named_files()
        assert lake.run("verify").returncode == 0
    assert pruned > 0


def test_imports_at_the_same_time(lake, tmp_path):
    files = [heaps.write_big(tmp_path / f"d{i}.json", 2_000, seed=i) for i in range(9)]
    (tmp_path / "broken.json").write_text('{"address": 1, "type": "x", "size": 1, "refs": [\n')
    result = lake.run("import", "--jobs", "4", *files[:4], tmp_path / "broken.json", *files[4:])
    assert result.returncode == 2
    notes = result.stderr.decode().splitlines()
    assert [note.split(":")[0] for note in notes if "objects" in note] == [f"d{i}" for i in range(9)]
    assert "error: cannot import" in notes[4] and "9 of 10 files imported" in notes[-1]
    assert sorted(lake.dumps()) == sorted(f"d{i}" for i in range(9))
    alone = Lake(tmp_path / "alone")
    alone.ok("--quiet", "import", *files)
    columns = "select dump, count(*), sum(cast(address as decimal(38))), sum(retained) from history.obj group by 1 order by 1"
    assert lake.sql(columns) == alone.sql(columns)
    assert lake.run("verify").returncode == 0
    assert os.listdir(lake.path / "tmp") == ["lock"]
