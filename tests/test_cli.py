"""The contract that scripts rely on: exit codes, streams, files, formats."""

import json
import os
import re
import subprocess

import polars
import pyarrow.feather
import pytest

from lake import BINARY, REPOSITORY, Lake, environment


@pytest.fixture
def used_lake(lake, small_dump):
    lake.load(small_dump, "x")
    return lake


def test_exit_codes(used_lake, small_dump):
    for code, command in [
        (0, ["dumps"]),
        (0, ["verify"]),
        (0, ["--help"]),
        (0, ["--version"]),
        (2, ["sql", "select nothing from nowhere"]),
        (2, ["sql", ""]),
        (2, ["sql"]),
        (0, ["run"]),
        (0, ["run", "histogram"]),
        (2, ["run", "nothing"]),
        (2, ["run", "in_degree", "--param", "limit=few"]),
        (2, ["info", "nowhere"]),
        (2, ["rm", "nowhere"]),
        (2, ["verify", "nowhere"]),
        (2, ["import", "no-such-file"]),
        (2, ["import", "--dump", "x", small_dump]),
        (2, ["nonsense"]),
        (2, ["import"]),
        (2, ["sql", "--format", "xml", "select 1"]),
        (2, ["sql", "--memory-limit", "lots", "select 1"]),
    ]:
        assert used_lake.run(*command).returncode == code, command


def test_a_pipe_gets_what_a_person_can_read_with_the_summary_below_it(used_lake):
    for command, last in [
        (["sql", "select type, count from type_stat limit 2"], "(2 rows)"),
        (["run", "biggest", "limit=1"], "(1 row)"),
        (["diff", "x", "x", "--all"], "(.* changed: 0 new, 0 gone.*)"),
        (["diff", "x", "x", "--by", "object", "--all"], "(0 of .* types? changed.*)"),
        (["check", "max_total", "limit=1TiB"], "x: 1 check holds, 0 violated"),
        (["dumps"], "╰.*╯"),
        (["top"], "╰.*╯"),
        (["info"], "╰.*╯"),
    ]:
        result = used_lake.run(*command)
        out = result.stdout.decode()
        assert result.returncode == 0 and result.stderr == b"", (command, result.stderr)
        is_table = command[0] != "check"
        assert ("╭" in out) == is_table and re.fullmatch(last.replace("(", r"\(").replace(")", r"\)"), out.splitlines()[-1]), (command, out)
        quiet = used_lake.ok("--quiet", *command)
        assert ("╭" in quiet) == is_table and "changed:" not in quiet and " rows)" not in quiet
        exact = used_lake.ok(*command, "--format", "csv")
        assert "╭" not in exact and "iB" not in exact.replace("1TiB", "") and "," in exact


def test_a_lake_that_is_not_there(lake):
    for command in (["dumps"], ["info"], ["sql", "select 1"], ["run", "histogram"], ["rm", "x"], ["verify"]):
        assert "is not a lake" in lake.fails(*command)
    assert "no-such-file" in lake.fails("import", "no-such-file")
    assert not lake.path.exists(), "a question made a lake"


def test_verify_finds_every_sort_of_damage(used_lake):
    file = used_lake.path / next(f["path"] for f in used_lake.manifest("x")["files"] if f["table"] == "obj")
    good = file.read_bytes()
    for name, bad in {
        "a changed byte": good[:100] + bytes([good[100] ^ 1]) + good[101:],
        "cut": good[:-1],
        "longer": good + b"\0",
        "missing": None,
    }.items():
        file.unlink() if bad is None else file.write_bytes(bad)
        result = used_lake.run("verify")
        assert result.returncode == 1, name
        assert file.name in result.stdout.decode(), name
        file.write_bytes(good)
    assert used_lake.ok("verify").startswith("x: ok")


def test_verify_looks_at_all_files_that_a_lake_may_have(used_lake):
    used_lake.ok("whatif", "x", "--cut", "size > 100", "--save", "layer")
    used_lake.ok("shell", "--dump", "x", input=b"set me 1234\n")
    (used_lake.path / "accepted.json").write_text('{"format": 1, "accepted": []}')
    (used_lake.path / "cluster.json").write_text('{"workers": ["127.0.0.1:1"]}')
    assert used_lake.ok("verify").startswith("x: ok")
    files = ["accepted.json", "cluster.json", "layers/dump=x/layer.json", "names/dump=x.json"]
    for name in files:
        path = used_lake.path / name
        good = path.read_text()
        path.write_text("{")
        result = used_lake.run("verify")
        assert result.returncode == 1 and name in result.stdout.decode(), (name, result)
        # What is of the lake is not of a dump.
        assert used_lake.run("verify", "x").returncode == (1 if "dump=" in name else 0)
        path.write_text(good)
    used_lake.ok("verify")
    for name in files:
        (used_lake.path / name).unlink()


def test_a_damaged_file_is_an_error_and_no_wrong_answer(used_lake):
    for table in ("obj", "edge"):
        file = used_lake.path / next(f["path"] for f in used_lake.manifest("x")["files"] if f["table"] == table)
        good = file.read_bytes()
        for bad in (good[: len(good) // 2], b"", good[:4] + bytes(len(good) - 8) + good[-4:], None):
            file.unlink() if bad is None else file.write_bytes(bad)
            message = used_lake.fails("sql", f"select * from x.{table}")
            assert file.name in message
            file.write_bytes(good)


def test_data_to_stdout_everything_else_to_stderr(lake, small_dump):
    result = lake.run("import", small_dump)
    assert result.stdout == b"" and b"1,000 objects" in result.stderr
    result = lake.run("sql", "--format", "csv", "select count(*) as n from obj")
    assert (result.stdout, result.stderr) == (b"n\n1000\n", b"")
    result = lake.run("sql", "select count(*) as n from nowhere")
    assert result.stdout == b"" and result.stderr


def test_quiet(lake, small_dump):
    for command in (["import", small_dump], ["import", "--replace", small_dump], ["rm", "small"]):
        result = lake.run("--quiet", *command)
        assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert lake.run("--quiet", "rm", "small").stderr.startswith(b"error: ")


def test_several_files(lake, tmp_path, small_dump):
    (tmp_path / "bad.dump").write_text("nonsense\n")
    result = lake.run("import", tmp_path / "bad.dump", small_dump, tmp_path / "missing.dump")
    message = result.stderr.decode()
    assert result.returncode == 2
    assert "bad.dump" in message and "missing.dump" in message
    assert lake.dumps() == ["small"]
    lake.assert_sound()


def test_a_closed_pipe_is_quiet(edx_lake):
    query = subprocess.list2cmdline(edx_lake.command("sql", "select * from edge"))
    for command in (f"{query} | head -1", f"{query} | true", f"{BINARY} completions bash | head -1"):
        result = subprocess.run(
            ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], capture_output=True, env=environment(), timeout=60
        )
        assert (result.returncode, result.stderr) == (0, b""), command


def test_output_files(used_lake, tmp_path):
    query = "select address, type, size, len, value from obj order by address"
    expected = used_lake.sql(query)
    for name, read in {
        "x.parquet": lambda path: polars.read_parquet(path).rows(),
        "x.arrow": lambda path: list(zip(*pyarrow.feather.read_table(path).to_pydict().values())),
        "x.ndjson": lambda path: [tuple(json.loads(line).values()) for line in path.read_text().splitlines()],
        "x.json": lambda path: [tuple(row.values()) for row in json.loads(path.read_text())],
        "x.csv": lambda path: polars.read_csv(path, infer_schema_length=None).rows(),
        "x.tsv": lambda path: polars.read_csv(path, separator="\t", infer_schema_length=None).rows(),
    }.items():
        result = used_lake.run("sql", "-o", tmp_path / name, query)
        assert (result.returncode, result.stdout) == (0, b""), result.stderr
        assert read(tmp_path / name) == expected, name


def test_an_output_file_is_whole_or_as_before(used_lake, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("before")
    for query in (
        "select * from nowhere",
        "select address / (address - address) from obj",
        "select cast(value as int) from obj",
    ):
        used_lake.fails("sql", "-o", out, query)
        assert out.read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["lake", "out.csv"]
    used_lake.ok("sql", "-o", out, "select 1 as n")
    assert out.read_text() == "n\n1\n"


def test_statements_from_anywhere(used_lake, tmp_path):
    (tmp_path / "q.sql").write_text("select count(*) as n\nfrom obj; -- a comment\n")
    assert used_lake.ok("sql", "--format", "csv", "-f", tmp_path / "q.sql") == "n\n1000\n"
    assert used_lake.ok("sql", "--format", "csv", input=b"select 1 as n") == "n\n1\n"
    assert used_lake.ok("sql", "--format", "csv", "-f", "-", input=b"select 2 as n") == "n\n2\n"


WRITES = [
    "create table t as select 1 as x",
    "create view v as select 1 as x",
    "create external table t stored as csv location '/etc/passwd'",
    "drop table obj",
    "drop schema x",
    "insert into obj select * from obj",
    "delete from obj",
    "update obj set size = 0",
    "copy obj to '{out}'",
    "copy (select 1 as x) to '{out}' stored as csv",
    "select * from '/etc/passwd'",
    "select * from '{secret}'",
    "create database d",
    "explain analyze insert into obj select * from obj",
    "explain analyze copy obj to '{out}'",
    "prepare p as insert into obj select * from obj",
]


@pytest.mark.parametrize("statement", WRITES)
def test_sql_only_reads_and_only_the_lake(used_lake, tmp_path, statement):
    (tmp_path / "secret.csv").write_text("word\nxyzzy\n")
    before = used_lake.content()
    message = used_lake.fails("sql", statement.format(out=tmp_path / "out.csv", secret=tmp_path / "secret.csv"))
    assert "xyzzy" not in message and "root:" not in message
    assert used_lake.content() == before
    assert sorted(os.listdir(tmp_path)) == ["lake", "secret.csv"]


def test_other_files_may_be_read_when_allowed(used_lake, tmp_path):
    (tmp_path / "names.csv").write_text("type,owner\nstr,strings\n")
    query = (
        f"select n.owner, count(*) as n from obj o join '{tmp_path}/names.csv' n on n.type = o.type group by n.owner"
    )
    assert "--allow-files" in used_lake.fails("sql", query)
    assert used_lake.sql(query, "--allow-files")[0][0] == "strings"
    used_lake.ok("sql", "--allow-files", f"copy (select 1 as n) to '{tmp_path}/out.csv'")
    assert (tmp_path / "out.csv").read_text() == "n\n1\n"


@pytest.mark.parametrize(
    "statement",
    [
        "drop table obj",
        "drop schema x cascade",
        "insert into obj select * from obj",
        "delete from obj",
        "update obj set size = 0",
    ],
)
def test_other_files_may_be_written_but_never_the_lake(used_lake, statement):
    before = used_lake.content()
    used_lake.run("sql", "--allow-files", statement)
    assert used_lake.content() == before
    used_lake.assert_sound()


def test_dump_and_tags(lake, small_dump):
    lake.ok(
        "import",
        "--dump",
        "a",
        "--taken",
        "2015-11-22T10:00:00+01:00",
        "--tag",
        "host=web 3",
        "--tag",
        "k==",
        small_dump,
    )
    dump = json.loads(lake.ok("dumps", "--format", "json"))[0]
    assert (
        dump["id"] == "a"
        and dump["taken"].startswith("2015-11-22T09:00:00")
        and dump["tags"] == {"host": "web 3", "k": "="}
    )
    assert lake.sql("select tags['host'] from dump where id = 'a'") in ([("web 3",)], [(["web 3"],)])


def test_the_newest_dump_is_the_default(lake, small_dump, big_dump):
    lake.load(big_dump, "new", "--taken", "2020-01-02T00:00:00Z")
    lake.load(small_dump, "old", "--taken", "2020-01-01T00:00:00Z")
    assert lake.sql("select count(*) from obj") == [(300_000,)]
    assert lake.sql("select count(*) from obj", "--dump", "old") == [(1_000,)]
    assert json.loads(lake.ok("info", "--format", "json"))[0]["id"] == "new"


@pytest.mark.parametrize(
    "shell, check", [("bash", ["bash", "-n"]), ("zsh", None), ("fish", None), ("powershell", None), ("elvish", None)]
)
def test_completions(lake, tmp_path, shell, check):
    script = lake.ok("completions", shell)
    assert all(word in script for word in ("import", "verify", "on-error", "memory-limit"))
    if check:
        (tmp_path / "script").write_text(script)
        subprocess.run([*check, tmp_path / "script"], check=True)


def test_the_demo_runs_anywhere_and_again(tmp_path):
    for _ in range(2):
        command = [BINARY, "demo"]
        result = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        assert "CombinedSystem" in result.stdout and "LmsModuleSystem" in result.stdout
    assert os.listdir(tmp_path) == ["demo-lake"]
    lake = Lake(tmp_path / "demo-lake")
    assert lake.dumps() == ["before", "after", "later"]
    lake.assert_sound()


def test_the_lake_may_come_from_the_environment(tmp_path, small_dump):
    env = environment() | {"HEAPLAKE_LAKE": str(tmp_path / "here")}
    subprocess.run([BINARY, "import", small_dump], env=env, check=True, capture_output=True, cwd=tmp_path)
    assert Lake(tmp_path / "here").dumps() == ["small"]
    assert os.listdir(tmp_path) == ["here"]


def test_the_binary_stands_alone(tmp_path):
    """Nothing of the repository is needed to run it."""
    moved = tmp_path / "heaplake"
    moved.write_bytes(BINARY.read_bytes())
    moved.chmod(0o755)
    result = subprocess.run([moved, "--version"], capture_output=True, text=True, cwd="/", env={})
    assert result.returncode == 0 and result.stdout.startswith("heaplake ")
    assert str(REPOSITORY) not in result.stdout
