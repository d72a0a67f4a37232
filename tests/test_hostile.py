"""What a dump contains is never trusted: not as terminal escapes, paths, SQL or names."""

import json
import os
import pty
import subprocess

import pytest

from lake import environment

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b31m"
BIDI = "\u202eevil\u2066\u200b\u2028"
SQL = "'; drop table obj; --"
OBJECTS = [
    {"address": 1, "type": ESCAPES, "size": 16, "name": ESCAPES, "value": ESCAPES, "refs": [2]},
    {"address": 2, "type": BIDI, "size": 16, "name": BIDI, "value": BIDI, "refs": [1]},
    {"address": 3, "type": SQL, "size": 16, "name": "../../../etc/passwd", "value": "=cmd|' /C calc'!A0", "refs": []},
    {"address": 4, "type": "../../x", "size": 16, "name": "<script>", "value": "%n%s{}\\", "refs": []},
]
FORBIDDEN = ["\x1b", "\x07", "\x9b", *BIDI.replace("evil", "")]


@pytest.fixture
def hostile_lake(lake, tmp_path):
    file = tmp_path / "x.dump"
    file.write_text("".join(json.dumps(o) + "\n" for o in OBJECTS) + '{"address": "\x1b[2J", "type": "t"}\n')
    lake.load(file, "x", "--on-error", "skip", "--tag", f"host={ESCAPES}{BIDI}")
    return lake


def on_terminal(lake, *args):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        lake.command(*args), stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, env=environment()
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    message = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0, message
    return shown.decode()


@pytest.mark.parametrize("format", [None, "table", "csv", "tsv", "json", "ndjson", "markdown"])
@pytest.mark.parametrize(
    "query", ["select * from obj", "select * from type_stat", "select * from issue", "select * from dump"]
)
def test_a_terminal_gets_no_escapes(hostile_lake, query, format):
    shown = on_terminal(hostile_lake, "sql", *(["--format", format] if format else []), query)
    assert "x" in shown and len(shown) > 60
    assert [c for c in FORBIDDEN if c in shown] == []


@pytest.mark.parametrize("command", [["dumps"], ["info"], ["info", "--full"], ["dumps", "--full"], ["verify"]])
def test_commands_show_no_escapes(hostile_lake, command):
    shown = on_terminal(hostile_lake, *command)
    assert "x" in shown
    assert [c for c in FORBIDDEN if c in shown] == []


def test_tables_are_safe_in_a_pipe_too(hostile_lake):
    """less -R and tail -f would show them."""
    for format in ("table", "markdown"):
        shown = hostile_lake.ok("sql", "--format", format, "select * from obj order by address")
        assert "red" in shown and [c for c in FORBIDDEN if c in shown] == []


def test_data_formats_are_exact(hostile_lake):
    """A program gets the bytes that the process had."""
    rows = hostile_lake.sql("select type, name, value from obj order by address")
    assert rows == [(o["type"], o["name"], o["value"]) for o in OBJECTS]
    lines = hostile_lake.csv("select type, name, value from obj order by address")
    assert [tuple(line) for line in lines[1:]] == rows


def test_errors_show_no_escapes(hostile_lake, tmp_path):
    file = tmp_path / f"{ESCAPES.replace('/', '')}.dump"
    file.write_text('{"address": 1, "type": "a", "size": "\x1b[31m\u202e", "refs": []}\n')
    for message in [
        hostile_lake.fails("import", file),
        hostile_lake.fails("import", "--dump", ESCAPES, file),
        hostile_lake.fails("info", ESCAPES + BIDI),
        hostile_lake.fails("rm", ESCAPES + BIDI),
        hostile_lake.fails("sql", f'select "{ESCAPES}{BIDI}" from obj'),
        hostile_lake.fails("sql", f"select arrow_cast('{ESCAPES}', 'Int64') as x"),
        hostile_lake.fails("sql", "--dump", ESCAPES, "select 1"),
        hostile_lake.fails("sql", "select cast(value as bigint) from obj"),
    ]:
        assert [c for c in FORBIDDEN if c in message] == [], message


BAD_IDS = [
    "../x",
    "/tmp/x",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "a b",
    "x'y",
    'x"y',
    "x\n",
    "\x1b[2J",
    "é",
    "-x",
    "_x",
    "x" * 64,
    "history",
    "information_schema",
    "Current",
    "a%2fb",
]


@pytest.mark.parametrize("name", BAD_IDS)
def test_names_cannot_leave_the_lake(lake, tmp_path, small_dump, name):
    before = sorted(tmp_path.rglob("*"))
    message = lake.fails("import", f"--dump={name}", small_dump)
    assert "cannot name a dump" in message
    assert not lake.path.exists() or lake.dumps() == []
    assert [path for path in sorted(tmp_path.rglob("*")) if lake.path not in [path, *path.parents]] == before
    lake.load(small_dump, "kept")
    for command in ("rm", "info", "verify"):
        assert "no dump" in lake.fails(command, "--", name)
    assert lake.dumps() == ["kept"]


def test_file_names_become_valid_ids(lake, tmp_path, small_dump):
    names = {
        "'; drop table obj; --": "drop_table_obj____",
        "ünï.dump": "n_",
        "..x": "x",
        "history": "history_dump",
        "$(touch owned)": "touch_owned_",
    }
    for name, dump in names.items():
        (tmp_path / name).write_bytes(small_dump.read_bytes())
        lake.load(tmp_path / name)
        assert lake.dumps()[-1:] == [dump] or dump in lake.dumps()
        assert lake.sql(f'select count(*) from "{dump}".obj') == [(1_000,)]
    lake.assert_sound()


def test_a_manifest_cannot_point_outside(lake, tmp_path, small_dump):
    lake.load(small_dump, "x")
    lake.load(small_dump, "y")
    (tmp_path / "secret.parquet").write_bytes((lake.path / lake.manifest("x")["files"][0]["path"]).read_bytes())
    manifest = lake.manifest("x")
    manifest["files"][0]["path"] = "../secret.parquet"
    (lake.path / "dumps/x.json").write_text(json.dumps(manifest))
    assert "x.json" in lake.fails("sql", "select * from x.obj")
    assert lake.run("verify").returncode == 1
    lake.run("rm", "x")
    assert (tmp_path / "secret.parquet").exists()


def test_a_lake_of_the_future_is_refused(lake, small_dump):
    lake.load(small_dump, "x")
    (lake.path / "heaplake.json").write_text('{"format_version": 999}')
    for command in (["dumps"], ["info"], ["sql", "select 1"], ["import", small_dump], ["rm", "x"], ["verify"]):
        message = lake.fails(*command)
        assert "999" in message and "newer" in message
