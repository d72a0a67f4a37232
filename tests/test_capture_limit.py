"""Real limits of memory: a control group whose limit many small objects reach."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from capturing import FOLDER, TIMEOUT, pythons
from lake import Lake, environment

LIMIT = 160 << 20

PROGRAM = """
import os, sys
open(os.path.join(sys.argv[1], "cgroup.procs"), "w").write(str(os.getpid()))
import heaplake_dump
heaplake_dump.install(dir=sys.argv[2], **eval(sys.argv[3]))

class Order:
    def __init__(self, n): self.n, self.lines = n, [n]

orders = []
n = 0
try:
    while True:
        n += 1
        orders.append(Order(n))
except MemoryError:
    print("MemoryError")
    raise
"""


@pytest.fixture
def group():
    """A control group with a limit, made below the one of this process or at the top."""
    for root, limit, swap in [
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max"),
    ]:
        folder = root / f"heaplake-test-{os.getpid()}-{time.time_ns()}"
        if not (root / "cgroup.procs").exists():
            continue
        try:
            folder.mkdir()
            (folder / limit).write_text(str(LIMIT))
        except OSError:
            if folder.exists():
                folder.rmdir()
            continue
        if (folder / swap).exists():
            (folder / swap).write_text(str(LIMIT) if limit == "memory.limit_in_bytes" else "0")
        yield folder
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                folder.rmdir()
                return
            except OSError:
                # The kernel counts processes that have just ended for a moment.
                time.sleep(0.05)
        pytest.fail(f"{folder} cannot be removed")
    pytest.skip("no control group with a limit of memory can be made here")


def run(python, group, folder, options):
    env = environment() | {"PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), "-u", "-c", PROGRAM, str(group), str(folder), repr(options)]
    return subprocess.run(command, env=env, capture_output=True, timeout=TIMEOUT)


PYTHONS = [way for way in sorted(pythons().items()) if way[0] in ("3.8", "3.11", "3.13")]
IDS = [version for version, _ in PYTHONS]


@pytest.mark.parametrize("version, python", PYTHONS, ids=IDS)
def test_the_kernel_kills_without_a_memory_error(version, python, group, tmp_path):
    """Why `on_memory_error` is of no use for a control group: nothing in the program runs any more."""
    result = run(python, group, tmp_path, {"on_memory_error": True})
    assert (result.returncode, result.stdout) == (-signal.SIGKILL, b"") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("version, python", PYTHONS, ids=IDS)
def test_a_dump_near_the_limit_is_there_when_the_kernel_kills(version, python, group, tmp_path):
    result = run(python, group, tmp_path, {"at_memory": 0.35})
    assert (result.returncode, result.stdout) == (-signal.SIGKILL, b"")
    # Written by the process itself, which stands still meanwhile: there is no room for a copy of its pages.
    [path] = tmp_path.glob("heap-*-memory-limit.dump")
    assert list(tmp_path.iterdir()) == [path]
    lake = Lake(tmp_path / "lake")
    lake.load(path, "limit")
    assert lake.sql("select count(*) > 100000 from obj where type = '__main__.Order'") == [(True,)]
    assert "memory limit" in lake.ok("info", "limit")


@pytest.mark.parametrize("version, python", PYTHONS, ids=IDS)
def test_a_limit_in_bytes_needs_no_control_group_and_a_part_of_none_is_refused(version, python, tmp_path):
    program = """
import os, sys, time
import heaplake_dump
heaplake_dump.install(dir=sys.argv[1], **eval(sys.argv[2]))
kept = [bytes(1000) for _ in range(80_000)]
while not any(name.endswith(".gz") for name in os.listdir(sys.argv[1])):
    time.sleep(0.05)
"""
    env = environment() | {"PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
    for options, says in [({"at_memory": 60 << 20}, ""), ({"at_memory": 1.5}, "at_memory must be"), ({"at_memory": 0}, "at_memory must be")]:
        command = [str(python), "-u", "-c", program, str(tmp_path), repr(options)]
        result = subprocess.run(command, env=env, capture_output=True, timeout=TIMEOUT)
        assert says in result.stderr.decode() and (result.returncode == 0) is (says == ""), result.stderr.decode()
    assert len(list(tmp_path.glob("*-memory-limit.dump*"))) == 1
