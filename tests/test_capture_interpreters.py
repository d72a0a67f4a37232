"""Processes with several interpreters: a dump from the main one and from another, that neither hangs nor harms the process."""

import json

import pytest

from capturing import Heap, TIMEOUT, pythons, start
from lake import Lake

PROGRAM = """
import os, sys, threading, time
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

folder, fork, isolated, from_main = sys.argv[1], sys.argv[2] == "fork", sys.argv[3] == "isolated", sys.argv[4] == "main"

def create():
    if sys.version_info >= (3, 13):
        return interpreters.create("isolated" if isolated else "legacy")
    return interpreters.create(isolated=isolated)

def run(interpreter, text):
    failed = interpreters.run_string(interpreter, text)
    assert failed is None, failed

class OfMain: pass
kept = [OfMain() for _ in range(50)]

others = [create() for _ in range(2)]
for n, other in enumerate(others):
    run(other, f'''
class Of{n}: pass
kept = [Of{n}() for _ in range(100)]
''')

# A thread that is in another interpreter while there is a dump.
reading, writing = os.pipe()
waiting = threading.Thread(target=run, args=(others[0], f"import os; os.read({reading}, 1)"))
waiting.start()
time.sleep(0.2)

def serve():
    run(others[1], dump.format(folder + "/other.dump", fork))

dump = "import heaplake_dump; heaplake_dump.dump({!r}, fork={})"
try:
    if from_main:
        exec(dump.format(folder + "/main.dump", fork))
    else:
        serve()
finally:
    os.write(writing, b"x")
    waiting.join()
for other in others:
    interpreters.destroy(other)
print("well")
"""

PYTHONS = sorted((version, path) for version, path in pythons().items() if version < "3.14")


def ways():
    for version, python in PYTHONS:
        for isolated in ["shared", "isolated"]:
            # Until 3.12 all interpreters share the lock and the allocator.
            if isolated == "shared" or version in ("3.12", "3.13"):
                for fork in ["fork", "here"]:
                    for origin in ["main", "other"]:
                        yield pytest.param(version, python, fork, isolated, origin, id=f"{version}-{isolated}-{fork}-{origin}")


def run(python, folder, *args):
    process = start(python, PROGRAM, folder, *args)
    try:
        output, error = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    return process.returncode, output.decode(), error.decode()


@pytest.mark.parametrize("version, python, fork, isolated, origin", list(ways()))
def test_a_dump_is_of_the_interpreter_that_asks(version, python, fork, isolated, origin, tmp_path):
    code, output, error = run(python, tmp_path, fork, isolated, origin)
    if (version, fork, isolated, origin) == ("3.12", "fork", "isolated", "other"):
        assert "use fork=False" in error and not list(tmp_path.iterdir())
        return
    assert (code, output, error) == (0, "well\n", "")
    heap = Heap(tmp_path / f"{origin}.dump")
    types = [line["type"].rpartition(".")[2] for line in heap.objects.values()]
    counts = {name: types.count(name) for name in ("OfMain", "Of0", "Of1")}
    if version == "3.8":
        # They share one collector.
        assert counts == {"OfMain": 50, "Of0": 100, "Of1": 100}
    else:
        assert counts == {"OfMain": 50 * (origin == "main"), "Of0": 0, "Of1": 100 * (origin == "other")}
    has_no_ctypes = (version, isolated, origin) == ("3.12", "isolated", "other")
    assert heap.header["capture"]["interpreters"] == (None if has_no_ctypes else 3)
    if version > "3.8":
        # The frames are its own: not those of the interpreter that called it, in the same thread.
        frames = [line["name"] for line in heap.objects.values() if line["type"] == "frame"]
        assert "<module>" in frames and "serve" not in frames, frames


@pytest.mark.parametrize("version, python", [way for way in PYTHONS if way[0] in ("3.12", "3.13")])
def test_dumps_of_an_isolated_interpreter_leave_the_allocators_alone(version, python, tmp_path):
    """`sys._current_frames` made frames of other interpreters, which these freed: the process crashed at its end."""
    for turn in range(5):
        folder = tmp_path / str(turn)
        folder.mkdir()
        assert run(python, folder, "here", "isolated", "other") == (0, "well\n", "")


def test_the_lake_says_that_there_are_others(tmp_path):
    version, python = next(way for way in PYTHONS if way[0] != "3.8")
    assert run(python, tmp_path, "fork", "shared", "main")[0] == 0, version
    lake = Lake(tmp_path / "lake")
    lake.load(tmp_path / "main.dump", "main")
    dump = json.loads(lake.ok("dumps", "--format", "json"))[0]
    assert "interpreters" in json.dumps(dump["tags"]) and '"3"' in json.dumps(dump["tags"]), dump["tags"]
