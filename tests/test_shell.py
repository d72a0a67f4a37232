"""The shell: under a pseudo-terminal as a person meets it, from standard input, and its edits against a definition."""

import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import pytest

from lake import Lake, environment

#: A hang guard, not a speed claim.
PATIENCE = 180
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][AB0]|[=>]|\][^\x07]*\x07)")


class Terminal:
    """A shell on a pseudo-terminal; what it writes is text without escape sequences."""

    def __init__(self, lake, *args, lines=50, columns=160, **variables):
        self.seen = b""
        self.process, self.screen = pty.fork()
        if self.process == 0:
            os.execve(lake.command()[0], [*lake.command("shell"), *args], environment() | variables)
        ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.until("> ")

    def type(self, keys):
        os.write(self.screen, keys.encode())

    def read(self, seconds=0.2):
        ready, _, _ = select.select([self.screen], [], [], seconds)
        if not ready:
            return False
        try:
            more = os.read(self.screen, 1 << 16)
        except OSError:
            return False
        self.seen += more
        return bool(more)

    def text(self):
        return ESCAPES.sub("", self.seen.decode(errors="replace")).replace("\r", "")

    def until(self, part, since=0):
        """Waits until a text is there; all text from `since` on."""
        end = time.monotonic() + PATIENCE
        while part not in self.text()[since:]:
            assert time.monotonic() < end, f"{part!r} is not in {self.text()[since:]!r}"
            self.read()
        return self.text()[since:]

    def ask(self, line, part):
        """Types a line, and waits for what it should say."""
        self.ready()
        since = len(self.text())
        self.type(line + "\r")
        return self.until(part, since)

    def ready(self):
        """Waits for the prompt; before it, keys go to the terminal and not to the shell."""
        end = time.monotonic() + PATIENCE
        while self.read() or not self.text().rstrip(" ").endswith(">"):
            assert time.monotonic() < end, f"no prompt behind {self.text()[-500:]!r}"

    def ready_after(self, typed):
        """Waits until what was typed is on the screen and nothing else comes."""
        end = time.monotonic() + PATIENCE
        while self.read() or not self.text().endswith(typed):
            assert time.monotonic() < end, f"{typed!r} is not at the end of {self.text()[-500:]!r}"

    def leave(self):
        """Ctrl-D; the exit code."""
        self.ready()
        self.type("\x04")
        return self.end()

    def end(self):
        """The exit code, or minus the signal, of a process that ends."""
        limit = time.monotonic() + PATIENCE
        while True:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                os.close(self.screen)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < limit, f"it goes on: {self.text()[-500:]!r}"
            self.read()


@pytest.fixture
def history(tmp_path):
    return {"HEAPLAKE_HISTORY": str(tmp_path / "state" / "history")}


@pytest.fixture
def lake_of_two(edx, lake):
    lake.load(edx["py38-1"], "before", "--taken", "2015-11-22T10:00:00Z", "--tag", "pid=7")
    lake.load(edx["py38-3"], "later", "--taken", "2015-11-22T12:00:00Z", "--tag", "pid=7")
    return lake


def script(lake, *lines):
    """What commands from standard input say: exit code, output, notes."""
    result = lake.run("shell", input="\n".join(lines).encode())
    assert b"panicked" not in result.stderr, result.stderr.decode()
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def said(lake, *lines):
    """The same, of commands that all succeed: the output."""
    code, out, notes = script(lake, *lines)
    assert code == 0, notes
    return out


def rows(out):
    """JSON lines."""
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def test_lines_are_edited_and_remembered(lake_of_two, history):
    shell = Terminal(lake_of_two, **history)
    assert "asking later" in shell.text()
    # Typed without its first letter, which Ctrl-A and the letter put right; Ctrl-E and a backspace do the end.
    shell.type("elect 40 + 3 as answerx\x01s\x05\x7f\r")
    shell.until("│ #1.1 │     43 │")
    shell.ask("\x1b[A\x7f\x7f\x7f\x7f\x7f\x7fother", "│ #2.1 │    43 │")
    assert shell.leave() == 0
    shell = Terminal(lake_of_two, **history)
    shell.ask("\x1b[A", "other")
    shell.ask("\x12answer", "│ #")
    text = shell.ask("history", "as answer")
    assert "as other" in text
    shell.ask(" select 'not kept'", "(1 row")
    assert shell.leave() == 0
    kept = open(history["HEAPLAKE_HISTORY"]).read()
    assert "answer" in kept and "not kept" not in kept


def test_statements_go_on_over_lines(lake_of_two, history):
    shell = Terminal(lake_of_two, **history)
    shell.type("select count(*) as n,\r")
    shell.type("sum(size)\r")
    shell.type("from obj where type in ('dict', 'list')\r")
    shell.until("#1.1")
    shell.ready()
    shell.type("root ..> (CapaDescriptor ->\r")
    shell.type("dict)\r")
    shell.until("hops")
    shell.ready()
    # An empty line ends what is not complete, and the mistake is told.
    shell.type("select (1\r\r")
    shell.until("error:")
    assert shell.leave() == 0


#: Lines of statements, none of which is finished before its last one, and what the answers show.
GOING_ON = [
    (["select type,", "count", "from type_stat", "where type = 'dict'"], ["type", "count", "dict"]),
    (["select case when count > 0", "then 'many'", "end as many from type_stat", "limit 1"], ["many"]),
    (["select 'a;", "b' as word"], ["a;\\nb"]),
    (["root ..>", "CombinedSystem"], ["hops"]),
    (["select 40 +", "2 as sum"], ["42"]),
    (["cut type in (", "'CombinedSystem')", "edits"], ["CombinedSystem", "edit"]),
    (["set some select address,", "type from obj where type = 'CapaDescriptor' limit 3", "set"], ["3 objects"]),
    (["select 6 as six", "select 7 as seven", "stats"], ["six", "seven", "references"]),
    (["select count from type_stat", "order by count desc", "limit 1"], ["count"]),
]  # fmt: skip


@pytest.mark.parametrize("lines, parts", GOING_ON)
def test_typed_pasted_and_piped_lines_are_taken_alike(lake_of_two, history, lines, parts):
    code, out, notes = script(lake_of_two, *lines)
    assert code == 0 and all(part in out + notes for part in parts), out + notes
    typed = [line + "\r" for line in lines]
    pasted = ["\x1b[200~" + "\r".join(lines) + "\x1b[201~\r"]
    for keys in [typed, pasted]:
        shell = Terminal(lake_of_two, HEAPLAKE_PAGER="cat", **history)
        since = len(shell.text())
        for more in keys:
            shell.type(more)
            # Keys that come while a statement runs go to the terminal and not to the shell.
            while shell.read(0.5):
                pass
        for part in parts:
            shell.until(part, since)
        shell.ready()
        assert "error: " not in shell.text()
        # All ways, the last result is the same.
        last = [line.split("│")[2].strip() for line in out.splitlines() if line.startswith("│")][-1:]
        # A terminal sets thousands apart.
        assert all(word in shell.text()[since:].replace(",", "") for word in last)
        assert shell.leave() == 0


def test_a_statement_that_goes_on_says_so(lake_of_two, history):
    shell = Terminal(lake_of_two, **history)
    since = len(shell.text())
    shell.type("select type,\r")
    shell.until("goes on", since)
    # The right arrow takes no hint over that is not for the line.
    shell.type("\x1b[C\x05count from type_stat limit 1\r")
    assert "error: " not in shell.until("(1 row", since)
    assert shell.leave() == 0


#: Keys that do something in the editor, and texts of one to four bytes a character, of no width and of two columns.
KEYS = [
    "?", "\\q", "exit", "help", "select ", "'", '"', "(", ")", ";", " ", "root ..> ", "#1", "$x", "| csv", "-", "->", "\\", "é",
    "e\u0301", "漢字", "😀", "👩\u200d👧", "\u202e", "\x00", "\x7f", "\t", "\t\t", "\r", "\x01", "\x05", "\x02", "\x06", "\x0b", "\x15", "\x17",
    "\x19", "\x14", "\x12", "\x07", "\x0c", "\x1f", "\x03", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b",
    "\x1bf", "\x1bb", "\x1bd", "\x1bu", "\x1bt", "\x1by", "\x1b[200~pasted\nlines\x1b[201~", "\x16", "\x18\x15", "\x1b[99;99X", "\x1b5",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_no_key_ends_the_shell(lake_of_two, history, tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.chdir(tmp_path)
    history["HEAPLAKE_PAGER"] = "cat"
    shell = Terminal(lake_of_two, "--color", rng.choice(["always", "never"]), columns=rng.choice([5, 20, 80]), **history)
    for _ in range(60):
        try:
            shell.type("".join(rng.choice(KEYS) for _ in range(rng.randrange(1, 8))))
            shell.read(0.02)
        except OSError:
            # It was left: with `\q`, for instance.
            assert shell.end() == 0, shell.text()[-2000:]
            shell = Terminal(lake_of_two, **history)
    assert "panicked" not in shell.text(), shell.text()[-2000:]
    os.kill(shell.process, signal.SIGTERM)
    assert shell.end() in (0, 130), shell.text()[-2000:]


@pytest.mark.parametrize("word", ["?", "\\q", "? cut", "exit"])
def test_other_words_for_commands_are_typed_and_coloured(lake_of_two, history, word):
    shell = Terminal(lake_of_two, "--color", "always", HEAPLAKE_PAGER="cat", **history)
    shell.type(word)
    shell.ready_after(word)
    shell.type("\r")
    if word.startswith("?"):
        shell.until("cut")
        assert shell.leave() == 0
    else:
        assert shell.end() == 0


@pytest.mark.parametrize(
    "typed, becomes",
    [
        ("select * from type_s\t", "type_stat"),
        ("select retained_c\t", "retained_count"),
        ("root ..> CapaDescri\t", "CapaDescriptor"),
        ("select count(*) from obj where type = 'CombinedSys\t", "CombinedSystem"),
        ("use befo\t", "before"),
        ("ancestor_t\t", "ancestor_types"),
        ("echo $myna\t", "$myname"),
        ("select * from type\t", "type_stat"),
        ("select * from history.type\t", "history.type_stat"),
        ("run histo\t", "histogram"),
        ("check max_tot\t", "max_total"),
        ("top --b\t", "--by"),
        ("diff --by mod\t", "module"),
        ("import /etc/pass\t", "/etc/passwd"),
        ("diff -o /etc/pass\t", "/etc/passwd"),
        ("tag befo\t", "before"),
    ],
)
def test_words_are_completed(lake_of_two, history, typed, becomes):
    said(lake_of_two, "set myname @140")
    shell = Terminal(lake_of_two, **history)
    since = len(shell.text())
    shell.type(typed)
    assert becomes in shell.until(becomes, since)
    shell.type("\x03")
    assert shell.leave() == 0


def test_ctrl_c_stops_the_query_and_not_the_shell(lake_of_two, history):
    shell = Terminal(lake_of_two, **history)
    for _ in range(2):
        since = len(shell.text())
        shell.type("select count(*) from obj a, obj b, obj c where a.size + b.size + c.size = 7\r")
        time.sleep(0.5)
        shell.type("\x03")
        shell.until("stopped", since)
        shell.until("later> ", since)
        shell.ask("select 40 + 2 as sum", "│  42 │")
    # One Ctrl-C too many, before the prompt is there, does no harm.
    for _ in range(5):
        shell.type("select 1\r")
        shell.type("\x03")
        os.kill(shell.process, signal.SIGINT)
    # Ctrl-C at the prompt forgets the line.
    shell.ready()
    shell.type("select nonsense")
    shell.ready_after("nonsense")
    shell.type("\x03")
    text = shell.ask("select 'here' as word", "here │")
    assert "nonsense" not in text.split("select 'here'")[-1]
    assert shell.leave() == 0


def test_a_signal_at_the_prompt_ends_the_shell(lake_of_two, history):
    shell = Terminal(lake_of_two, **history)
    os.kill(shell.process, signal.SIGTERM)
    assert shell.end() == 130


def test_long_results_go_through_the_pager(lake_of_two, history, tmp_path):
    out = tmp_path / "paged"
    pager = f"sh -c 'cat > {out}'"
    shell = Terminal(lake_of_two, lines=20, HEAPLAKE_PAGER=pager, **history)
    shell.ask("select type from type_stat limit 5", "(5 rows")
    assert not out.exists()
    shell.ask("select type from type_stat limit 100", "(100 rows")
    assert out.read_text().count("\n") == 104
    shell.ask("pager off", "later> ")
    out.unlink()
    shell.ask("select type from type_stat limit 100", "(100 rows")
    assert not out.exists()
    # A pager that is left early ends nothing.
    shell.ask("pager on", "later> ")
    assert shell.leave() == 0
    shell = Terminal(lake_of_two, lines=20, HEAPLAKE_PAGER="true", **history)
    shell.ask("select * from obj", "later> ")
    shell.ask("select 7 * 6", "42")
    assert shell.leave() == 0


def test_colours_are_there_and_go_with_no_color(lake_of_two, history):
    colourful = Terminal(lake_of_two, "--color", "always", **history)
    colourful.ask("select 'x' from obj limit 1", "#1.1")
    assert b"\x1b[1m\x1b[34mselect" in colourful.seen
    plain = Terminal(lake_of_two, **history)
    plain.ask("select 'x' from obj limit 1", "#1.1")
    assert b"\x1b[1m\x1b[34m" not in plain.seen
    assert colourful.leave() == plain.leave() == 0


HOSTILE = "\x1b]0;evil\x07\x1b[31mred\u202e"


def test_nothing_of_a_dump_reaches_the_terminal_unescaped(lake, tmp_path, history):
    dump = tmp_path / "hostile.json"
    objects = [
        {"address": 16, "type": HOSTILE, "size": 1, "name": HOSTILE, "value": HOSTILE, "refs": [32]},
        {"address": 32, "type": "red'\"|x", "size": 1, "refs": [16]},
    ]
    dump.write_text("".join(json.dumps(one) + "\n" for one in objects))
    lake.load(dump, "hostile")
    shell = Terminal(lake, **history)
    for line in [
        "select * from obj", "info 16", "parents 32", "tree", "top", "kids 32", "@16 ..> *", f"echo {'x'}", "stats",
        "set evil #1.1", "select * from #1", "cut #1.1", "edits", "ancestor_types 32", "chains", "diff hostile hostile",
    ]:
        shell.ask(line, "hostile")
    shell.type("select '\t\t")
    shell.type("\x03")
    assert shell.leave() == 0
    assert b"\x1b]0;" not in shell.seen and b"\x1b[31mred" not in shell.seen and "\u202e".encode() not in shell.seen


#: A line for every command of the shell, on dumps `before` and `later`.
EVERY_COMMAND = [
    "dumps", "use before", "use later", "stats", "top -n 2", "tag later note=x",
    "select address, type from obj where type = 'CombinedSystem' limit 3", "info #3.1", "info before", "parents #3.1",
    "children #3.1", "kids #3.1", "ancestor_types #3.1", "tree #3.1 --depth 2", "chains --min 20",
    "path from \"type = 'CapaDescriptor'\" to \"address = #3.1\"",
    "path from \"type = 'CapaDescriptor'\" to \"address = #3.1\" reversed", "path root ..> CombinedSystem",
    "diff before later", "trend", "run histogram", "check max_total limit=1GiB", "cut type = 'CombinedSystem'",
    "pin type = 'module'", "gc", "edits", "undo", "undo all", "whatif --cut \"type = 'list'\"", "layers",
    "set leak #3.1", "set", "echo $leak", "save saved.txt", "load saved.txt", "unset leak", "width 80", "width", "width auto",
    "pager off", "timing on", "debug off", "history", "help", "help cut", "help top", "verify", "help capture", "suspects", "report -o report.html", "rm before", "stats", "quit",
]  # fmt: skip


def test_every_command_does_what_it_says(lake_of_two, tmp_path):
    listed = said(lake_of_two, "help").split("Anything else")[0]
    names = re.findall(r"^  ([a-z_]+)", listed, re.MULTILINE)
    tried = {line.split()[0] for line in EVERY_COMMAND} | {"import", "graph", "capture"}
    assert set(names) <= tried
    result = lake_of_two.run("shell", input="\n".join(EVERY_COMMAND).encode(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr.decode()
    assert b"error" not in result.stderr


def test_an_import_in_the_shell_can_be_asked_at_once(lake, edx, tmp_path):
    code, out, notes = script(lake, f"import --dump first {edx['py38-1']}", "stats", "use nothing", "select count(*) from obj")
    assert code == 2 and "37250" in out and "first: 37,250 objects" in notes
    assert "no dump nothing" in notes or "nothing" in notes


def test_results_are_kept_as_tables(lake_of_two):
    out = said(
        lake_of_two,
        "select address, type, size from obj where type = 'CombinedSystem' order by address limit 5",
        "select count(*) as n, sum(size) as size from #1 | ndjson",
        "select count(*) as n from obj where address in (#1.address) | ndjson",
        "select count(*) as n from obj where address in #1.address | ndjson",
        "select count(*) as n from obj where address in (#1.1, #1.5) | ndjson",
        "select count(*) as n from type_stat where type in (#1.type) | ndjson",
        "#1.2 <.. (x: LmsModuleSystem WHERE address in (#1.1^^)) | ndjson",
        "select a.type, b.type from type_stat a join type_stat b on a.type = b.type",
        "select count(*) as n, count(distinct type_2) as other from #2 | ndjson",
    )
    assert rows(out)[:5] == [{"n": 5, "size": 240}, {"n": 5}, {"n": 5}, {"n": 2}, {"n": 1}]
    assert rows(out)[-1] == {"n": 132, "other": 132}


def test_formats_and_files(lake_of_two, tmp_path):
    import pyarrow.parquet

    command = lake_of_two.command("shell")
    lines = [
        "select type, count from type_stat order by type | parquet > 'a b.parquet'",
        "select 1 as one | > one.csv",
        "root ..> CombinedSystem | json > path.json",
        "top -n 3 --by type | csv",
        "select 'a | csv' as text | csv",
        "select 1 | xml",
        "select 1 | > x.nothing",
        "select 1 | > a b",
    ]
    result = subprocess.run(command, input="\n".join(lines).encode(), capture_output=True, cwd=tmp_path, env=environment())
    assert result.returncode == 2
    assert pyarrow.parquet.read_table(tmp_path / "a b.parquet").num_rows == 132
    assert (tmp_path / "one.csv").read_text() == "one\n1\n"
    assert len(json.loads((tmp_path / "path.json").read_text())) == 10
    assert result.stdout.decode().startswith("type,count,size,retained,percent,held_by_type\n")
    assert "text\na | csv\n" in result.stdout.decode()
    assert result.stderr.decode().count("error: ") == 3
    assert not (tmp_path / "x.nothing").exists() and not (tmp_path / "a").exists()


def test_a_result_that_was_not_seen_to_its_end_is_not_taken_for_whole(lake_of_two, history):
    shell = Terminal(lake_of_two, lines=20, HEAPLAKE_PAGER="head -n 3", **history)
    shell.ask("select address from obj", "later> ")
    shell.ask("select count(*) as n from #1", "not shown to its end")
    shell.ask("select address = #1.1 as same from obj where address = #1.1", "true")
    assert shell.leave() == 0


def test_bars_in_texts_and_comments_redirect_nothing(lake_of_two, tmp_path):
    lines = ["select count(*) as n from obj -- all | csv > stolen.csv", "select count(*) as n from obj where value like '%|>%' | csv"]
    result = lake_of_two.run("shell", input="\n".join(lines).encode(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr.decode()
    assert not (tmp_path / "stolen.csv").exists() and b"n\n0\n" in result.stdout


def test_commands_take_references(lake_of_two, tmp_path):
    out = said(lake_of_two, "select address, type from obj where type = 'CapaDescriptor' limit 2", "tree #1.1 --depth 1",
               "whatif --cut #1.1 | csv", "whatif --cut \"address = #1.1\" | csv", "stats; edits | csv")  # fmt: skip
    assert "CapaDescriptor @" in out and "module" not in out.split("#2.1")[1].split("\n")[0]
    tables = out.split("type,objects,size,objects_left,size_left\n")[1:]
    assert len(tables) == 2 and tables[0] == tables[1].split("╭")[0]


def test_what_is_saved_comes_back(lake_of_two, tmp_path):
    saved = tmp_path / "saved.txt"
    first = said(lake_of_two, "select address from obj where type = 'CombinedSystem' order by address limit 5",
                 "set two #1.address", "set n 5", "set word 'a''b'", "cut address in (#1.address)", "cut parent in (#1)",
                 "select address from obj where type = 'ModuleStore'", "pin #2.1", f"save {saved}", "undo all", "select count(*) as n from obj | ndjson")  # fmt: skip
    script_text = saved.read_text()
    assert "#" not in script_text and "SELECT" not in script_text
    for name in ("two", "n", "word"):
        said(lake_of_two, f"unset {name}")
    again = said(lake_of_two, f"load {saved}", "set | ndjson", "edits | ndjson", "select $n + 1 as n, $word as word | ndjson",
                 "select count(*) as n from obj where address in $two | ndjson")  # fmt: skip
    found = rows(again)
    assert [row.get("name") for row in found[:3]] == ["$n", "$two", "$word"] and found[0]["value"] == "5"
    assert found[1]["value"] == "5 objects" and len([row for row in found if "edit" in row]) == 3
    assert found[-2] == {"n": 6, "word": "a'b"}
    assert rows(first)


def test_ctrl_c_ends_what_is_loaded(lake_of_two, tmp_path, history):
    slow = tmp_path / "slow"
    slow.write_text("select count(*) from obj a, obj b, obj c where a.size + b.size + c.size = 7\nset zz @5\n")
    shell = Terminal(lake_of_two, **history)
    since = len(shell.text())
    shell.type(f"load {slow}\r")
    time.sleep(1)
    shell.type("\x03")
    shell.until("was not run", since)
    shell.ask("set", "value")
    assert "$zz" not in shell.text()[since:].split("was not run")[1]
    assert shell.leave() == 0


def test_what_is_of_another_dump_or_not_of_the_edits_is_said(lake_of_two):
    code, out, notes = script(lake_of_two, "select address from obj where type = 'CombinedSystem' limit 1", "use before",
                              "select count(*) as n from obj where address = #1.1", "use later", "cut type = 'list'", "diff before later",
                              "ancestor_types #1.1", "children 0", "#1.1", "info name like '__main%'")  # fmt: skip
    assert code == 0, notes
    assert "result 1 is of later, and before is asked" in notes
    assert "of the dumps as they were taken" in notes and "up to 10 levels" in notes


def test_set_understands_values_conditions_paths_and_queries(lake_of_two):
    n = lake_of_two.sql("select count(*) from obj where type = 'CombinedSystem'")[0][0]
    for value, kept in [
        ("5", "number 5"), ("'it''s'", "text 'it''s'"), ("@140", "object @0x8c"), ("@140 @160", "2 objects"),
        ("type = 'CombinedSystem'", f"{n:,} objects"), ("CombinedSystem", f"{n:,} objects"), ("\"type = 'CombinedSystem'\"", f"{n:,} objects"),
        ("(* WHERE type = 'CombinedSystem') <.. root", None), ("REACH CombinedSystem", f"{n:,} objects"),
        ("select address from obj where type = 'CombinedSystem' limit 7", "7 objects"),
        ("select count(*) from obj where type = 'CombinedSystem'", f"number {n}"),
        ("select max(type) from obj where type = 'CombinedSystem'", "text 'CombinedSystem'"),
    ]:  # fmt: skip
        code, out, notes = script(lake_of_two, f"set x {value}", "set")
        assert code == 0 and (kept is None or f"$x: {kept}" in notes), notes
    for value, part in [
        ("some words", "a text needs quotes: 'some words'"), ("CombinedSystm", "CombinedSystem"), ("type = 'CombinedSystm'", "CombinedSystem"),
        ("select type, size from obj limit 2", "no column of addresses"),
    ]:  # fmt: skip
        code, _, notes = script(lake_of_two, f"set y {value}", "", "set | csv")
        assert code == 2 and part in notes, notes
        assert "$y" not in said(lake_of_two, "set | csv")


def test_addresses_and_sizes_have_one_notation(lake_of_two):
    out = said(lake_of_two, "select address, size, retained from obj where type = 'CombinedSystem' order by address limit 1",
               "info #1.1", "tree #1.1 --depth 0", "root ..> (* WHERE address = #1.1)", "set leak #1.1", "set", "echo $leak", "unset leak")  # fmt: skip
    address = re.search(r"│ (@0x[0-9a-f]+) │ +48 B │", out).group(1)
    assert out.count(address) >= 6 and str(int(address[1:], 16)) not in out
    # It can be typed as it is shown, wherever an address is meant.
    n = f"select count(*) as n from obj where address = {address}"
    assert rows(said(lake_of_two, f"{n} | ndjson", f"parents {address} | ndjson"))[0] == {"n": 1}
    assert lake_of_two.sql(n) == [(1,)]
    assert lake_of_two.sql(f"select objects from retained('address in ({address})')") == [(1,)]
    assert lake_of_two.sql(f"select count(*) from path_nodes('REACH (* WHERE address = {address})')") == [(1,)]
    assert lake_of_two.sql(f"select address from obj where address = {address}") == [(int(address[1:], 16),)]


def test_names_stay_in_the_lake_with_their_dump(lake_of_two, edx):
    said(lake_of_two, "select address from obj where type = 'CombinedSystem' limit 3", "set leak #1.1", "set all #1.address",
         "set word 'it''s'")  # fmt: skip
    out = said(lake_of_two, "set | ndjson", "select address from obj where address = $leak", "select $word as w | ndjson",
               "select count(*) as n from obj where address in ($all) | ndjson")  # fmt: skip
    found = rows(out)
    assert [row["name"] for row in found[:3]] == ["$all", "$leak", "$word"]
    assert "$leak │" in out and found[-2:] == [{"w": "it's"}, {"n": 3}]
    # They are of one dump, and of its present tables.
    assert rows(said(lake_of_two, "use before", "set | ndjson")) == []
    lake_of_two.ok("import", "--replace", "--dump", "later", edx["py38-2"])
    assert rows(said(lake_of_two, "set | ndjson")) == []
    code, _, notes = script(lake_of_two, "set leak @140", "echo $laek")
    assert code == 2 and "did you mean $leak?" in notes
    lake_of_two.ok("rm", "later")
    assert not list(lake_of_two.path.glob("names/*"))


def test_a_lake_that_cannot_be_written_to_can_be_asked(lake_of_two):
    before = lake_of_two.content()
    said(lake_of_two, "cut type = 'CombinedSystem'", "stats", "pin type = 'module'", "select * from obj limit 1", "undo all")
    assert lake_of_two.content() == before
    lake_of_two.assert_sound()


def test_mistakes_end_nothing(lake_of_two):
    lines = [
        "selct 1", "select nonsense from obj", "parents", "parents nobody = 1", "info 77", "use nowhere", "undo", "undo both",
        "set 1x 2", "set x", "unset nobody", "echo #9.9", "path from", "path from 'a' to", "cut", "cut type =", "", "save", "load no/such",
        "width many", "help nonsense", "top --nonsense", "tree 'open", "select #1.1", "root ..> Nonsens", "pager maybe", "$x ..> A",
        "dumps --lake elsewhere", "parents 12345", "set x two words", "gc now", "select 1 where 1 = #77.x", "select 'open", "",
        "select 'still here' as word | csv",
    ]  # fmt: skip
    code, out, notes = script(lake_of_two, *lines)
    assert code == 2 and out.endswith("word\nstill here\n")
    assert notes.count("error: ") >= 29, notes


def test_a_file_that_loads_itself_is_told(lake_of_two, tmp_path):
    (tmp_path / "a").write_text(f"load {tmp_path}/b\n")
    (tmp_path / "b").write_text(f"load {tmp_path}/a\nselect 1 as one | csv\n")
    code, out, notes = script(lake_of_two, f"load {tmp_path}/a")
    assert code == 2 and "loads itself" in notes and "one\n1\n" in out


# Edits against their definition -----------------------------------------------------------------------------------


class Heap:
    """A graph with edits: what is left is what roots reach."""

    def __init__(self, rng, n):
        self.refs = {16 * (i + 1): [16 * (rng.randrange(n) + 1) for _ in range(rng.randrange(4))] for i in range(n)}
        self.gone = set()
        self.cut_edges = set()
        self.pinned = set()
        self.roots = set()

    def write(self, path):
        lines = (
            json.dumps({"address": at, "type": f"T{at // 16 % 5}", "size": at // 16, "refs": refs})
            for at, refs in self.refs.items()
        )
        path.write_text("".join(line + "\n" for line in lines))

    def left(self):
        todo = [at for at in self.roots | self.pinned if at not in self.gone]
        seen = set(todo)
        while todo:
            at = todo.pop()
            for place, to in enumerate(self.refs[at]):
                if to in self.gone or to in seen or (at, place) in self.cut_edges:
                    continue
                seen.add(to)
                todo.append(to)
        return seen


@pytest.mark.parametrize("seed", range(8))
def test_edits_leave_what_the_roots_reach(tmp_path, seed):
    rng = random.Random(seed)
    heap = Heap(rng, 60)
    lake = Lake(tmp_path / "lake")
    heap.write(tmp_path / "heap.json")
    lake.load(tmp_path / "heap.json", "heap")
    kinds = dict(lake.sql("select address, kind from root"))
    heap.roots = set(kinds)
    lines, expected, states = [], [], []
    question = "select count(*) as n, coalesce(sum(size), 0) as size, count(retained) as known from obj | ndjson"
    edges = "select count(*) as n from edge | ndjson"
    for _ in range(12):
        state = set(heap.gone), set(heap.cut_edges), set(heap.pinned)
        left = sorted(heap.left())
        what = rng.choice(["cut", "cut type", "edge", "pin", "gc", "undo"])
        if not left:
            break
        if what == "undo":
            if not states:
                continue
            heap.gone, heap.cut_edges, heap.pinned = states.pop()
            lines.append("undo")
        else:
            if what == "cut":
                chosen = rng.sample(left, min(2, len(left)))
                heap.gone |= set(chosen)
                lines.append("cut " + " ".join(f"@{at}" for at in chosen))
            elif what == "cut type":
                number = rng.randrange(5)
                heap.gone |= {at for at in left if at // 16 % 5 == number and at // 16 < 20}
                lines.append(f"cut type = 'T{number}' and size < 20")
            elif what == "edge":
                parent = rng.choice(left)
                heap.cut_edges |= {(parent, place) for place in range(1, 4)}
                lines.append(f"cut parent = {parent} and idx >= 1")
            elif what == "pin":
                chosen = rng.choice(left)
                heap.pinned.add(chosen)
                lines.append(f"pin {chosen}")
            else:
                cycles = {at for at in left if kinds.get(at) == "cycle" and at not in heap.pinned}
                if not cycles:
                    continue
                heap.gone |= cycles
                lines.append("gc")
            states.append(state)
        left = heap.left()
        expected.append((len(left), sum(at // 16 for at in left), len(left)))
        lines += [question, edges]
    found = rows(said(lake, *lines))
    assert [tuple(row.values()) for row in found[::2]] == expected
