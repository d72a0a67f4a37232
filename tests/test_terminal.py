"""What a terminal of 80 columns shows that a pipe does not: lines that end between two words, thousands set apart."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest

from lake import Lake, environment

WIDTH = 80


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    lines = ['{"address": %d, "type": "Session", "size": 64, "refs": []}\n' % (16 * n) for n in range(1, 12031)]
    (folder / "x.dump").write_text("".join(lines))
    lake = Lake(folder / "lake")
    lake.load(folder / "x.dump", "x")
    return lake


def shown(lake, *args):
    """The lines that a command shows on a terminal, of standard output and standard error together."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    process = subprocess.Popen(
        lake.command(*args), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment()
    )
    os.close(theirs)
    data = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        data += part
    os.close(ours)
    process.wait(timeout=60)
    return data.decode().replace("\r\n", "\n").splitlines()


def test_a_long_error_ends_its_lines_between_words(lake):
    args = ["sql", "select capacity(dump, type) from obj where " + " and ".join(["address > 0"] * 3)]
    whole = lake.run(*args).stderr.decode().rstrip("\n")
    assert len(whole.splitlines()[0]) > WIDTH
    lines = shown(lake, *args)
    assert len(lines) > 1 and all(len(line) <= WIDTH or " " not in line for line in lines), lines
    assert " ".join(lines).split() == whole.split()


def test_an_empty_answer_says_what_it_means(lake):
    says = "(no rows: nothing in the dump says which thread it is of; captures and HPROF name threads, meliae's dumps do not)"
    assert says in lake.run("run", "threads").stderr.decode()
    lines = shown(lake, "run", "threads")
    assert says in " ".join(lines) and all(len(line) <= WIDTH for line in lines), lines
    assert says not in lake.run("run", "biggest").stderr.decode()


def test_thousands_are_set_apart_on_a_terminal_alone(lake):
    query = "select type, count(*) as count, min(address) as address, 2026 as year from obj group by type"
    assert any("12,030" in line and "2026" in line for line in shown(lake, "sql", query))
    assert "12030" in lake.ok("sql", query) and "12,030" not in lake.ok("sql", query)
