"""Real limits of memory: a control group whose limit many small objects reach."""

import json
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
import os, sys, time
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
        # A leak gives other threads time, those that watch the memory among them.
        if n % 2000 == 0: time.sleep(0.002)
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


GROUPS = """
import json, sys
import heaplake_dump
texts = {path: text.encode() for path, text in json.loads(sys.argv[1]).items()}
real = heaplake_dump._content
heaplake_dump._content = lambda path, most=1 << 20: texts[path] if path in texts else real(path, most)
print(json.dumps([group.used_and_limit() for group in heaplake_dump._memory_groups()]))
"""
MIB = 1 << 20


@pytest.mark.parametrize(
    "mounted, own",
    [("/", "0::/kube/pod"), ("/kube", "4:memory:/other\n0::/kube/pod"), ("/kube/pod", "0::/kube/pod"), ("/", "0::/")],
    ids=["whole", "beside the first version", "container", "namespace"],
)
@pytest.mark.parametrize("version, python", PYTHONS, ids=IDS)
def test_limits_of_the_second_version_of_control_groups(version, python, mounted, own, tmp_path):
    """Their files are written here: a kernel gives the controller of memory to one version alone, and here to the first."""
    limits = {"": None, "kube": ("104857600", 90 * MIB, 10 * MIB), "kube/pod": ("max", 80 * MIB, 0)}
    if mounted == "/" and own == "0::/":
        # The root of a namespace of control groups is what has the limit.
        limits = {"": ("104857600", 90 * MIB, 10 * MIB)}
    point = tmp_path / "groups"
    for folder, values in limits.items():
        below = "/" + folder
        if not below.startswith(mounted):
            continue
        place = point / below[len(mounted) :].lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        if values is not None:
            limit, used, spare = values
            (place / "memory.max").write_text(limit + "\n")
            (place / "memory.current").write_text(f"{used}\n")
            (place / "memory.stat").write_text(f"anon 4096\ninactive_file {spare}\nactive_file 8192\n")
    texts = {
        "/proc/self/cgroup": own + "\n",
        "/proc/self/mountinfo": f"29 23 0:26 {mounted} {point} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    }
    env = environment() | {"PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
    output = subprocess.run([str(python), "-c", GROUPS, json.dumps(texts)], env=env, capture_output=True, timeout=TIMEOUT, check=True)
    found = [tuple(one) for one in json.loads(output.stdout) if one is not None]
    # In the container the limit is above what is mounted, and cannot be seen.
    assert found == ([] if mounted == "/kube/pod" else [(80 * MIB, 100 * MIB)])


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
