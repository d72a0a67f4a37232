"""docs/tutorial.md is followed as it is written, under every CPython of the machine, on a terminal of 100 columns.

What the page shows must be what comes out, but for what the machine and the version of Python decide: sizes, times,
addresses, and all numbers but 100 to 900, with which the shop's own objects are counted. A line of three dots stands for any
lines. HEAPLAKE_BLESS=1 writes into the page what came out under the Python that runs the tests; read the diff."""

import difflib
import fcntl
import itertools
import os
import pty
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from capturing import VERSIONS, pythons
from lake import BINARY, REPOSITORY, TIMEOUT, environment

PAGE = REPOSITORY / "docs/tutorial.md"
FOUND = pythons()
DEFAULT = "%d.%d" % sys.version_info[:2]
COLUMNS = 100
#: Ends the output of a command.
MARK = b"\036"

#: Before Python 3.11 the attributes of an object are in a dictionary, as the page says.
BEFORE_311 = [
    ("Signal order_paid -> list", "Signal order_paid -> dict -> list"),
    (
        "-['order_paid']-> Signal -.listeners-> list\n",
        "-['order_paid']-> Signal -.__dict__-> dict -['listeners']->\n           list\n",
    ),
    ("-.listeners-> list ", "-.__dict__-> dict @0x1 1 B 1 B\n 1 -['listeners']-> list "),
]


def blocks(kind):
    """The fenced blocks of a kind, each with the place where it begins."""
    found = re.finditer(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [(match.start(), match.group(1)) for match in found]


def steps(before=None):
    """Commands of the page up to a place in it, each with the output and the exit code that it shows."""
    found = []
    for place, block in blocks("console"):
        if before is not None and place > before:
            break
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = text.splitlines()
            while lines and lines[0].startswith("> "):
                command += "\n" + lines.pop(0)[2:]
            code = re.fullmatch(r"\[exit (\d+)\]", lines[-1]) if lines else None
            found.append((command, lines[:-1] if code else lines, int(code.group(1)) if code else 0))
    return found


UNIT = r"(?:[KMG]i)?B|ms|s"
VOLATILE = re.compile(
    rf"(?P<rule>─+)|(?P<blank>[ ]+)|(?P<bars>[▁-█]+)|(?P<address>0x[0-9a-f]+)"
    rf"|(?P<amount>\d[\d,.]* (?:{UNIT})\b)|(?P<round>(?<![\w.,])[1-9]00(?![\w.,%]| %))|(?P<number>\d[\d,.]*)"
)
PATTERNS = {
    "rule": "─+",
    "blank": " +",
    "bars": "[▁-█]+",
    "address": "0x[0-9a-f]+",
    "amount": rf"\d[\d,.]* (?:{UNIT})",
    "number": r"\d[\d,.]*",
}


#: A row of a table about a type of Python's own.
BUILT_IN = re.compile("│ (?:bytes|str|list|dict) ")


def pattern(lines):
    """The expression for what is shown."""
    expression = ""
    for line in lines:
        if line == "...":
            expression += "(?:.*\n)*?"
            continue
        place = 0
        for match in VOLATILE.finditer(line):
            expression += re.escape(line[place : match.start()])
            kind = "number" if match.lastgroup == "round" and BUILT_IN.match(line) else match.lastgroup
            expression += PATTERNS.get(kind, re.escape(match.group()))
            place = match.end()
        expression += re.escape(line[place:]) + "\n"
    return expression


@pytest.mark.parametrize(
    "shown, actual, same",
    [
        ("evening: 7,708 objects, 10.1 MiB", "evening: 7,812 objects, 9 KiB", True),
        ("evening: 7,708 objects", "noon: 7,708 objects", False),
        ("│ Order │ 700 │ +600 │", "│ Order    │    700 │   +600 │", True),
        ("│ Order │ 700 │ +600 │", "│ Order    │    700 │   +601 │", False),
        ("│ Order │ 700 │ +600 │", "│ Order    │    700 │   -600 │", False),
        ("│ bytes │ 700 │ +600 │", "│ bytes    │    702 │   +580 │", True),
        ("read in 900 ms, +600.0 %", "read in 1.25 s, +12.5 %", True),
        ("a\n...\nb", "a\nb", True),
        ("a\n...\nb", "a\n1\n2\nb", True),
        ("a\n...\nb", "a\n1\n2", False),
        ("  ▁▄█  @0x7f13d0d64400", "  ▁▅█  @0x1", True),
    ],
)
def test_only_what_the_machine_decides_is_left_open(shown, actual, same):
    assert bool(re.fullmatch(pattern(shown.splitlines()), actual + "\n")) == same


class Terminal:
    """A shell that runs one command after the other, with its output on a terminal."""

    def __init__(self, folder, python):
        tools = folder / "bin"
        tools.mkdir()
        (tools / "heaplake").symlink_to(BINARY)
        # A program and no link: an interpreter of a virtual environment looks for its library beside its name.
        (tools / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        (tools / "python3").chmod(0o755)
        (folder / "docs").symlink_to(REPOSITORY / "docs")
        env = environment() | {"PORT": str(free_port()), "PYTHONDONTWRITEBYTECODE": "1"}
        env["PATH"] = f"{tools}:{env['PATH']}"
        self.step = folder / "step"
        self.output, out = pty.openpty()
        fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=env, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(out)
        self.streams = {self.output: b"", self.process.stderr.fileno(): b""}

    def run(self, command):
        """What a command prints, its notes behind the rest, and its exit code."""
        self.step.write_text(command + "\n")
        line = f". {self.step} < /dev/null; printf '\\036%d\\036' $?; printf '\\036' >&2\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        answer = self._until(self.output, 2)
        notes = self._until(self.process.stderr.fileno(), 1)
        text, code, _ = answer.split(MARK)
        text = (text + notes.split(MARK)[0]).decode().replace("\r\n", "\n")
        return "".join(line.rstrip() + "\n" for line in text.splitlines()), int(code)

    def _until(self, stream, n_marks):
        end = time.monotonic() + TIMEOUT
        with selectors.DefaultSelector() as selector:
            for each in self.streams:
                selector.register(each, selectors.EVENT_READ)
            while self.streams[stream].count(MARK) < n_marks:
                ready = selector.select(end - time.monotonic())
                assert ready, f"nothing more came: {self.streams}"
                for key, _ in ready:
                    data = os.read(key.fd, 1 << 16)
                    assert data, f"the shell is gone: {self.streams}"
                    self.streams[key.fd] += data
        found, self.streams[stream] = self.streams[stream], b""
        return found

    def close(self):
        """Ends the shell and whatever it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        os.close(self.output)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def open_it(python):
        opened.append(Terminal(tmp_path, python))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def refreshed(shown, actual):
    """The lines that are shown as they are now: between dots, those that are most like what was there."""
    if "..." not in shown:
        return actual
    result, rest = [], actual

    def likeness(old, new):
        same = sum(bool(re.fullmatch(pattern([line]), other + "\n")) for line, other in zip(old, new))
        return same, difflib.SequenceMatcher(None, "\n".join(old), "\n".join(new)).ratio()

    for is_dots, lines in itertools.groupby(shown, lambda line: line == "..."):
        lines = list(lines)
        if is_dots:
            result += lines
            continue
        size = len(lines)
        at = max(range(max(1, len(rest) - size + 1)), key=lambda at: likeness(lines, rest[at : at + size]))
        result += rest[at : at + size]
        rest = rest[at + size :]
    return result


def bless(command, shown, actual):
    typed = "$ " + command.replace("\n", "\n> ") + "\n"
    before, after = (typed + "".join(line + "\n" for line in lines) for lines in (shown, refreshed(shown, actual)))
    text = PAGE.read_text()
    assert before in text
    PAGE.write_text(text.replace(before, after, 1))


def follow(terminal, todo, is_old=False, may_bless=False):
    """Types the commands and compares."""
    for command, shown, code in todo:
        text = "\n".join(shown)
        for new, old in BEFORE_311 if is_old else []:
            text = text.replace(new, old)
        expression = pattern(text.splitlines())
        end = time.monotonic() + TIMEOUT
        while True:
            answer = terminal.run(command)
            # Dumps come a moment after the signal, as the page says.
            if not command.startswith("ls ") or re.fullmatch(expression, answer[0]) or time.monotonic() > end:
                break
            time.sleep(0.1)
        if may_bless and not re.fullmatch(expression, answer[0]) and "HEAPLAKE_BLESS" in os.environ:
            bless(command, shown, answer[0].splitlines())
            continue
        assert re.fullmatch(expression, answer[0]), f"$ {command}\n{answer[0]}\nis not as the page shows it:\n{text}"
        assert answer[1] == code, f"$ {command}\n{answer[0]}"


@pytest.mark.parametrize(
    "version", [DEFAULT, *(pytest.param(each, marks=pytest.mark.slow) for each in VERSIONS if each != DEFAULT)]
)
def test_the_tutorial(terminal, version):
    if version not in FOUND:
        pytest.skip(f"there is no Python {version} (pyenv install {version})")
    if shutil.which("patch") is None:
        pytest.skip("there is no patch (apt install patch)")
    todo = steps()
    assert len(todo) > 20 and todo[-1][0] == "kill $shop"
    is_old = int(version.split(".")[1]) < 11
    follow(terminal(FOUND[version]), todo, is_old, may_bless=version == DEFAULT and not is_old)


def test_the_dump_from_outside(terminal):
    if shutil.which("gdb") is None:
        pytest.skip("there is no gdb (apt install gdb)")
    [(place, command)] = blocks("sh")
    shell = terminal(FOUND[DEFAULT])
    follow(shell, [step for step in steps(place) if "-USR1" not in step[0] and not step[0].startswith("ls ")])
    answer, code = shell.run(command)
    if "not permitted" in answer:
        pytest.skip("processes may not be looked into: see docs/capture.md")
    assert code == 0, answer
    answer, code = shell.run("heaplake --quiet import now.dump.gz && heaplake path 'root ..> Request'")
    assert code == 0 and "-> function say_thanks" in answer, answer
    # The page says so of references, too.
    answer, code = shell.run("heaplake whatif --cut \"label like '%listeners%'\"")
    assert code == 0 and re.search("│ Request +│ +100 │ +[0-9.]+ [KM]?i?B │ +0 │", answer), answer


def test_the_page_shows_the_program():
    programs = [path.read_text() for path in sorted((REPOSITORY / "docs/tutorial").glob("*.py"))]
    shown = [block for _, block in blocks("python")]
    assert len(programs) == 4 and shown
    for block in shown:
        assert any(block in program for program in programs), block
