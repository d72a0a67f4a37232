"""What a terminal of 80 columns shows that a pipe does not: lines that end between two words, thousands set apart."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time

import pytest

from lake import Lake, environment
from stores import StoreLake, lake_at, proxy

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
        lake.command(*args), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment() | lake.variables
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


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """Two dumps with types of modules: of two of them the short name is the same."""
    folder = tmp_path_factory.mktemp("modules")
    lake = Lake(folder / "lake")
    for name, n_orders in [("before", 3), ("after", 40)]:
        orders = [100 + n for n in range(n_orders)]
        objects = [(1, "shop.core.Shop", [2, 3, *orders]), (2, "web.Session", []), (3, "billing.Session", [])]
        objects += [(order, "shop.core.Order", []) for order in orders]
        lines = ['{"address": %d, "type": "%s", "size": 64, "refs": %s}\n' % of for of in objects]
        (folder / f"{name}.dump").write_text("".join(lines))
        lake.load(folder / f"{name}.dump", name)
    return lake


@pytest.mark.parametrize(
    "args",
    [
        ["top"],
        ["tree"],
        ["info"],
        ["run", "biggest"],
        ["diff", "before", "after"],
        ["diff", "before", "after", "--by", "holder"],
        ["diff", "before", "after", "--by", "object"],
        ["trend", "*"],
        ["path", "Shop -> Order"],
        ["path", "Shop -> Order", "--merge", "type"],
        ["path", "REACH Shop -> Order"],
    ],
    ids=" ".join,
)
def test_a_type_has_its_short_name_on_a_terminal_where_it_is_the_only_one(modules, args):
    text = "\n".join(shown(modules, *args))
    assert "Order" in text and "shop.core.Order" not in text, text
    # A pipe, a file for programs and a user who asks for everything get the whole name.
    assert "shop.core.Order" in modules.ok(*args)
    assert "shop.core.Order" in "\n".join(shown(modules, *args, "--full")).replace("\n", "")


def test_types_that_share_a_short_name_keep_their_modules(modules):
    text = "\n".join(shown(modules, "top", "--by", "type"))
    assert "web.Session" in text and "billing.Session" in text and " Shop " in text, text


def test_sql_shows_what_the_tables_contain(modules):
    assert any("shop.core.Order" in line for line in shown(modules, "sql", "select distinct type from obj"))


def test_a_long_object_of_a_path_goes_on_in_the_next_line(tmp_path):
    value = " ".join(["a long text"] * 3)
    lines = [
        '{"address": 1, "type": "module", "size": 64, "name": "shop.%s", "refs": [2]}\n' % ("catalogue" * 4),
        '{"address": 2, "type": "str", "size": 64, "value": "%s", "refs": []}\n' % value,
    ]
    (tmp_path / "x.dump").write_text("".join(lines))
    lake = Lake(tmp_path / "lake")
    lake.load(tmp_path / "x.dump", "x")
    lines = shown(lake, "path", "module -> str")
    assert all(len(line) <= WIDTH for line in lines), lines
    head = [line for line in lines if "@0x2" in line]
    assert len(head) == 1 and head[0].endswith("64 B"), lines
    assert value in " ".join(" ".join(lines).split()).replace("@0x2 64 B 64 B ", ""), lines
    # In a pipe an object is one line.
    assert len(lake.ok("path", "module -> str").splitlines()) == 4


def test_a_bar_while_files_come_from_a_store(lake, store, url, tmp_path):
    lake_at(lake.path, store.endpoint).ok("push", "--to", url)

    def slowly(request):
        if "/obj/" in request.path:
            time.sleep(1)

    question = ("sql", "select count(*) as n from obj where size = 64")
    with proxy(store, before=slowly) as slow:
        there = StoreLake(url, slow.endpoint, tmp_path / "cache")
        lines = shown(there, *question)
        text = "\n".join(lines)
        assert "receiving [" in text, lines
        # It is gone before the rows are there.
        assert text.rindex("receiving [") < text.rindex("\x1b[2K") < text.rindex("12,030"), lines
        # Nothing is received; standard error is not a terminal; or `--quiet`.
        assert "receiving" not in "".join(shown(there, *question))
        there = StoreLake(url, slow.endpoint, tmp_path / "other")
        assert b"receiving" not in there.run(*question).stderr
        there = StoreLake(url, slow.endpoint, tmp_path / "third")
        assert "receiving" not in "".join(shown(there, "--quiet", *question))
