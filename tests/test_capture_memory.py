"""What a capture says of the process's memory outside of objects, and what the lake makes of it, under every Python."""

import json

import pytest

from capturing import Heap, pythons, run
from test_capture_lake import OBJECTS, HEADER, write

MIB = 1 << 20

#: Two dumps, and between them 60 MiB that only C code knows.
LEAK = """
import ctypes, sys, threading, time
import heaplake_dump
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
malloc.argtypes = [ctypes.c_size_t]
def hold():
    buffer = ctypes.create_string_buffer(100_000)
    ready.set()
    time.sleep(600)
ready = threading.Event()
threading.Thread(target=hold, daemon=True).start()
ready.wait()
heaplake_dump.dump(sys.argv[1], fork=sys.argv[3] == "fork")
for _ in range(600):
    ctypes.memset(malloc(100 << 10), 1, 100 << 10)
heaplake_dump.dump(sys.argv[2], fork=sys.argv[3] == "fork")
"""


@pytest.mark.parametrize("how", ["fork", "here"])
@pytest.mark.parametrize("version,python", pythons().items())
def test_a_leak_of_c_code_is_told_from_objects(lake, tmp_path, version, python, how):
    files = [tmp_path / "before.dump", tmp_path / "after.dump"]
    run(python, LEAK, *files, how)
    before, after = [Heap(file).header["capture"] for file in files]
    for header in (before, after):
        memory = header["memory"]
        assert memory["anonymous"] + memory["file"] + memory["shared"] == header["rss"]
        assert memory["private"] <= header["rss"] and memory["swap"] >= 0
        assert memory["threads"] == 2
        # The stack of the main thread, and that of the other one, of which a few pages are used.
        assert 16 << 10 <= memory["stacks"] < 4 * MIB
        assert 1 * MIB < memory["code"] < header["rss"]
        assert 0 < memory["pools_used"] <= memory["pools"] < header["rss"]
        assert 0 <= memory["malloc_free"] <= memory["malloc"]
    # 58.6 MiB, less what was free and resident before.
    assert 50 * MIB < after["rss"] - before["rss"] < 64 * MIB
    assert 52 * MIB < after["memory"]["malloc"] - before["memory"]["malloc"] < 64 * MIB

    for file in files:
        lake.load(file, file.stem)
    shown = lake.ok("diff", "before", "after", "--format", "table")
    assert "process: " in shown
    [verdict] = [line for line in shown.splitlines() if line.startswith("The process grew by")]
    assert verdict.endswith(": look at native memory,"), verdict
    [why] = [line for line in shown.splitlines() if line.endswith("allocated by C code and seen by no object.")]
    assert 50 < float(why.removeprefix("+").split(" MiB")[0]) < 66
    assert "look at native memory" in lake.ok("trend", "--format", "table")
    # The parts add up.
    parts = "objects + pools_free + malloc_free + code + mapped + stacks + native"
    assert lake.sql(f"select dump from history.process_memory where total <> {parts}") == []
    [native] = lake.sql("select after.native - before.native from after.process_memory after, before.process_memory before")
    assert 50 * MIB < native[0] < 66 * MIB
    info = lake.ok("info", "after", "--format", "table")
    assert "resident" in info and "in objects" in info and "allocated by C code and seen by no object" in info
    # A limit for the process, and one for objects.
    limit = f"process={(before['rss'] + after['rss']) // 2}"
    assert lake.run("check", "--dump", "after", "max_total", limit).returncode == 1
    assert lake.run("check", "--dump", "after", "max_total", "process=1GiB").returncode == 0
    assert lake.run("check", "--dump", "before", "max_total", limit).returncode == 0


@pytest.mark.parametrize("version,python", pythons().items())
def test_growth_of_objects_is_no_leak_of_c_code(lake, tmp_path, version, python):
    program = LEAK.replace("for _ in range(600):", "kept = [[i] for i in range(300_000)]\nfor _ in range(0):")
    files = [tmp_path / "before.dump", tmp_path / "after.dump"]
    run(python, program, *files, "fork")
    for file in files:
        lake.load(file, file.stem)
    shown = lake.ok("diff", "before", "after", "--format", "table")
    assert "process: " in shown and "The process grew" not in shown
    assert "The process grew" not in lake.ok("trend", "--format", "table")


MEMORY = {"anonymous": 140 * MIB, "file": 12 * MIB, "shared": MIB, "swap": 7 * MIB, "threads": 3, "private": 150 * MIB}
MEMORY |= {"code": 9 * MIB, "mapped": 3 * MIB, "stacks": 2 * MIB, "pools": 26 * MIB, "pools_used": 20 * MIB}
MEMORY |= {"malloc": 120 * MIB, "malloc_free": 4 * MIB}


def test_the_account_adds_up(lake, tmp_path):
    objects = [OBJECTS[0] | {"size": 24 * MIB - 48}, *OBJECTS[1:]]
    lake.load(write(tmp_path / "x.dump", objects, HEADER | {"rss": 153 * MIB, "memory": MEMORY}), "x")
    columns = "total, objects, pools_free, malloc_free, code, mapped, stacks, native, absent"
    expected = [160, 24, 6, 4, 9, 4, 2, 111, 0]
    assert lake.sql(f"select {columns} from process_memory") == [tuple(n * MIB for n in expected)]
    assert lake.sql("select resident, swap, private, threads from x.process_memory") == [
        (153 * MIB, 7 * MIB, 150 * MIB, 3)
    ]
    info = lake.ok("info", "x", "--format", "table")
    assert "The process: 153.0 MiB resident, 7.0 MiB swapped out, 150.0 MiB private, 3 threads" in info
    [facts] = json.loads(lake.ok("info", "x", "--format", "json"))
    parts = {part["part"]: part["size"] for part in facts["process_memory"]}
    assert sum(parts.values()) == 160 * MIB and parts["native"] == 111 * MIB


def test_what_a_dump_does_not_say_is_null_and_no_limit_passes_for_it(lake, tmp_path):
    lake.load(write(tmp_path / "x.dump"), "x")
    assert lake.sql("select dump, total, native, resident, threads from process_memory") == [("x", None, None, MIB, None)]
    assert "The process:" not in lake.ok("info", "x", "--format", "table")
    assert lake.run("check", "max_total").returncode == 0
    assert lake.run("check", "max_total", "process=1TiB").returncode == 1


@pytest.mark.parametrize("memory", [{"anonymous": -1}, {"anonymous": 1.5}, {"pools": "many"}, 7])
def test_memory_that_is_none_is_damage_of_the_first_line(lake, tmp_path, memory):
    path = write(tmp_path / "x.dump", header=HEADER | {"memory": memory})
    assert "line 1" in lake.fails("import", "--dump", "x", path)


def test_hostile_sizes_do_not_overflow(lake, tmp_path):
    huge = dict.fromkeys(MEMORY, (1 << 64) - 1)
    lake.load(write(tmp_path / "a.dump", header=HEADER | {"rss": 1, "memory": huge}), "a")
    lake.load(write(tmp_path / "b.dump", header=HEADER | {"rss": (1 << 64) - 1, "memory": huge}), "b")
    for dump in "ab":
        lake.ok("info", dump, "--format", "table")
        lake.sql(f"select * from {dump}.process_memory")
    lake.ok("diff", "a", "b", "--format", "table")
    lake.ok("trend", "--format", "table")
