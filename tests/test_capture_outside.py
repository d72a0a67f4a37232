"""A process is captured from outside, by its id. Needs the permission to look into other processes."""

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from capturing import FOLDER, TIMEOUT, VERSIONS, Heap, pythons, start
from lake import BINARY, Lake, environment

FOUND = pythons()


@pytest.fixture(params=VERSIONS)
def python(request):
    if request.param not in FOUND:
        pytest.skip(f"there is no Python {request.param} (pyenv install {request.param})")
    return FOUND[request.param]


@pytest.fixture
def newest():
    return FOUND[max(FOUND, key=lambda version: int(version.split(".")[1]))]


#: Says what it has done, so that it is seen to go on.
PROGRAM = """
import sys, threading, time
held_by_the_program = ["evidence"]
before = None
def busy():
    local_of_busy = 4711
    n = rounds = 0
    while True:
        n += sum(i for i in range(1000))
        rounds += 1
        if rounds % 50 == 0: time.sleep(0)
def waits():
    local_of_waits = 4712
    for line in sys.stdin:
        print("alive", "heaplake_dump" in sys.modules, sorted(set(globals()) - names), flush=True)
names = set(globals()) | {"names", "thread"}
if sys.argv[1] == "busy":
    threading.Thread(target=waits, daemon=True).start()
    print("ready", flush=True)
    busy()
else:
    if sys.argv[1] == "threads":
        for thread in range(5): threading.Thread(target=busy, daemon=True).start()
    print("ready", flush=True)
    waits()
"""


def heaplake(*args):
    command = [str(BINARY), *map(str, args)]
    return subprocess.run(command, env=environment(), capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT * 2)


def ask(process):
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process.stdout.readline()


def permitted(result):
    if b"may not look into process" in result.stderr:
        pytest.skip("this user may not look into other processes (ptrace)")


@pytest.mark.parametrize("kind", ["waits", "busy", "threads"])
def test_a_process_is_captured_by_its_id(python, tmp_path, kind):
    lake = Lake(tmp_path / "lake")
    process = start(python, PROGRAM, kind)
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        memory = [line for line in open(f"/proc/{process.pid}/maps") if "heaplake" in line]
        path = tmp_path / "out.dump.gz"
        result = heaplake("capture", "python", "--pid", process.pid, "-o", path, "--import-to", lake.path)
        permitted(result)
        assert result.returncode == 0, result.stderr.decode()
        assert b"objects of process" in result.stderr
        assert [entry.name for entry in tmp_path.iterdir() if entry != lake.path] == ["out.dump.gz"]
        heap = Heap(path)
        assert heap.header["capture"]["pid"] == process.pid
        name = "busy" if kind == "busy" else "waits"
        [frame] = [frame for frame in heap.all("frame") if frame.get("name") == name and frame["root"] == "thread MainThread"]
        assert heap.follow(frame, f"local_of_{name}")["value"] in (4711, 4712)
        assert heap.follow(heap.main("held_by_the_program"), "[0]")["value"] == "evidence"
        own = [frame for frame in heap.all("frame") if "heaplake" in frame.get("value", "")]
        assert own == [] and len([frame for frame in heap.all("frame") if frame.get("name") == "<module>"]) == 1
        assert lake.sql("select count(*) from issue") == [(0,)]
        # It goes on, and nothing is left in it.
        assert ask(process) == b"alive False []\n"
        assert [line for line in open(f"/proc/{process.pid}/maps") if "heaplake" in line] == memory == []
        children = open(f"/proc/{process.pid}/task/{process.pid}/children").read()
        assert children == ""
        # And it can be done again.
        result = heaplake("capture", "python", "--pid", process.pid, "-o", path, "--redact", "--values", "none")
        assert result.returncode == 0, result.stderr.decode()
        assert Heap(path).header["capture"]["redact"] is True
        assert ask(process) == b"alive False []\n"
    finally:
        process.kill()
        process.wait()


#: The main thread waits for the interpreter nearly all the time, and says how far it has come where somebody asks.
CONTENDS = """
import os, signal, sys, threading
def busy():
    while True: sum(i for i in range(1000))
for thread in range(5): threading.Thread(target=busy, daemon=True).start()
rounds = 0
signal.signal(signal.SIGUSR1, lambda number, frame: print(rounds, flush=True))
reading, writing = os.pipe()
print("ready", flush=True)
while True:
    os.write(writing, b"x")
    os.read(reading, 1)
    rounds += 1
"""


def rounds(process):
    process.send_signal(signal.SIGUSR1)
    return int(process.stdout.readline())


def test_a_thread_that_waits_for_the_interpreter_is_left_to_it(python, tmp_path):
    """If it ran Python where it waits, it would wait a second time, and all threads for it: the program would stand still."""
    process = start(python, CONTENDS)
    try:
        assert process.stdout.readline() == b"ready\n"
        for _ in range(5):
            result = heaplake("capture", "python", "--pid", process.pid, "-o", tmp_path / "out.dump", "--values", "none")
            permitted(result)
            assert result.returncode == 0, result.stderr.decode()
            at = rounds(process)
            while rounds(process) == at:
                pass
    finally:
        process.kill()
        process.wait()


def test_signals_do_not_hide_that_a_thread_waits_for_the_interpreter(python, tmp_path):
    """After a signal that nobody handles the wait goes on in another system call."""
    process = start(python, CONTENDS)
    try:
        assert process.stdout.readline() == b"ready\n"
        for _ in range(3):
            command = [str(BINARY), "capture", "python", "--pid", str(process.pid), "-o", str(tmp_path / "out.dump")]
            capture = subprocess.Popen(
                [*command, "--values", "none"], env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            until = time.monotonic() + 0.6
            while time.monotonic() < until and capture.poll() is None:
                process.send_signal(signal.SIGCHLD)
                time.sleep(0.0005)
            _, said = capture.communicate(timeout=TIMEOUT)
            permitted(subprocess.CompletedProcess(command, capture.returncode, b"", said))
            assert capture.returncode == 0, said.decode()
            at = rounds(process)
            while rounds(process) == at:
                pass
    finally:
        process.kill()
        process.wait()


#: Has so much that a dump takes a while.
LARGE = """
import sys
large = [[n] for n in range(2_000_000)]
print("ready", flush=True)
for line in sys.stdin: print("alive", flush=True)
"""


def test_a_child_that_is_killed_is_noticed(newest, tmp_path):
    process = start(newest, LARGE)
    try:
        assert process.stdout.readline() == b"ready\n"
        command = [str(BINARY), "capture", "python", "--pid", str(process.pid), "-o", str(tmp_path / "out.dump")]
        capture = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        killed = False
        while not killed and capture.poll() is None:
            for other in children_of(process):
                # Not the first child, which ends at once.
                if Path(f"/proc/{other}/oom_score_adj").read_text() == "1000\n":
                    os.kill(other, signal.SIGKILL)
                    killed = True
        _, said = capture.communicate(timeout=TIMEOUT)
        if b"may not look into process" in said:
            pytest.skip("this user may not look into other processes (ptrace)")
        assert killed and capture.returncode == 2 and b"was killed or crashed" in said, said
        assert ask(process) == b"alive\n"
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait()


def children_of(process):
    """Processes with the same command; the child that writes is nobody's child."""
    command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != process.pid:
            try:
                if (entry / "cmdline").read_bytes() == command:
                    yield int(entry.name)
            except OSError:
                pass


#: The module keeps iterators of futures to be used again, and on 3.12 shows them as what it refers to.
FUTURES = """
import asyncio, sys
import heaplake_dump
async def one():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 1)
    await future
async def main():
    for n in range(3):
        await asyncio.gather(*(one() for _ in range(30)))
        heaplake_dump.dump(sys.argv[1], fork=False)
    await asyncio.gather(*(one() for _ in range(30)))
asyncio.run(main())
print("alive", flush=True)
"""


def test_what_asyncio_keeps_to_be_used_again_is_not_revived(python, tmp_path):
    (tmp_path / "heaplake_dump.py").write_bytes(heaplake("capture", "script").stdout)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [python, "-c", FUTURES, tmp_path / "out.dump"]
    result = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT)
    assert (result.returncode, result.stdout) == (0, b"alive\n"), result.stderr.decode()


#: Has what the script needs and the program does not, and keeps the collector from coming.
QUIET = """
import gc, sys
gc.disable()
class Before: pass
print("ready", flush=True)
for line in sys.stdin: print("alive", flush=True)
"""


def test_what_earlier_captures_left_and_what_runs_is_in_no_dump(python, tmp_path, lake):
    """The collector does not come, so that each dump finds all that those before it have left."""
    process = start(python, QUIET)
    heaps = []
    try:
        assert process.stdout.readline() == b"ready\n"
        for n in range(4):
            path = tmp_path / f"{n}.dump"
            result = heaplake("capture", "python", "--pid", process.pid, "-o", path, "--import-to", lake.path)
            permitted(result)
            assert result.returncode == 0, result.stderr.decode()
            assert ask(process) == b"alive\n"
            heaps.append(Heap(path))
    finally:
        process.kill()
        process.wait()
    for heap in heaps:
        for obj in heap.objects.values():
            assert not obj["type"].startswith("heaplake_dump.") and obj["type"] not in ("_Held", "_Released", "_Array"), obj
            # Each reference has its object.
            heap.edges(obj)
        # The text of the script and of what brings it, and their constants.
        texts = [obj["value"] for obj in heap.all("str") if "Writes every object" in obj.get("value", "") or "import posix" in obj.get("value", "")]
        assert texts == []
        # Classes know their subclasses by tables, which have a class that refers to them.
        [table] = [heap.follow(cls, ".__subclasses__") for cls in heap.all("type") if cls["name"] == "object"]
        assert table["len"] == len(heap.labels(table)) / 2
    # The interpreter keeps a second copy of some modules; then nothing is added.
    types = [Counter(obj["type"] for obj in heap.objects.values()) for heap in heaps]
    more = types[3] - types[1]
    assert sum(more.values()) <= 8, more
    assert lake.sql("select count(*) from issue") == [(0,)]
    assert b"No suspect" in heaplake("--lake", lake.path, "suspects").stdout


def test_without_a_fork(newest, tmp_path):
    process = start(newest, PROGRAM, "waits")
    try:
        assert process.stdout.readline() == b"ready\n"
        result = heaplake("capture", "python", "--pid", process.pid, "-o", tmp_path / "out.dump", "--no-fork")
        permitted(result)
        assert result.returncode == 0, result.stderr.decode()
        assert Heap(tmp_path / "out.dump").header["capture"]["fork"] is False
        assert ask(process) == b"alive False []\n"
    finally:
        process.kill()
        process.wait()


def test_errors_are_said_and_leave_nothing(newest, tmp_path):
    def message(*args):
        result = heaplake("capture", "python", *args)
        permitted(result)
        assert result.returncode == 2, result
        assert list(tmp_path.iterdir()) == []
        return result.stderr.decode()

    gone = subprocess.Popen(["true"])
    gone.wait()
    assert f"there is no process {gone.pid}" in message("--pid", gone.pid, "-o", tmp_path / "x")
    other = subprocess.Popen(["sleep", "100"])
    try:
        assert "is not CPython" in message("--pid", other.pid, "-o", tmp_path / "x")
        command = [str(BINARY), "capture", "python", "--pid", str(other.pid), "-o", str(tmp_path / "x"), "--via", "gdb"]
        result = subprocess.run(command, env=environment() | {"PATH": "/nonexistent"}, capture_output=True)
        assert result.returncode == 2 and b"gdb cannot be run" in result.stderr
    finally:
        other.kill()
        other.wait()
    process = start(newest, PROGRAM, "waits")
    try:
        assert process.stdout.readline() == b"ready\n"
        assert "cannot write" in message("--pid", process.pid, "-o", tmp_path / "none/x")
        assert "directory" in message("--pid", process.pid, "-o", tmp_path)
        assert "zstd" in message("--pid", process.pid, "-o", tmp_path / "x.zst") or newest == FOUND.get("3.14")
        assert ask(process) == b"alive False []\n"
    finally:
        process.kill()
        process.wait()


def test_the_script_is_printed_as_it_is(tmp_path):
    result = heaplake("capture", "script")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == (FOLDER / "heaplake_dump.py").read_bytes()


#: What `sys.remote_exec` of 3.14 does: it runs a file in the main thread of the process.
REMOTE = """
import sys
def waits():
    local_of_waits = 4712
    exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__name__": "__main__"})
waits()
"""


def test_the_way_of_python_3_14(python, tmp_path):
    """The file that `sys.remote_exec` is given, run as it would run it; the call itself is tested where there is 3.14."""
    entry, outside, answer = (tmp_path / name for name in ("entry.py", "outside.py", "answer.json"))
    dump = tmp_path / "heap.dump"
    script = (FOLDER / "heaplake_dump.py").read_text()
    entry.write_text(f"{script}\n\n_remote({str(dump)!r}, {str(answer)!r}, values='short', redact=False, fork=True)\n")
    outside.write_text(
        "try:\n exec((lambda file: (compile(file.read(), '<heaplake>', 'exec'), file.close()))"
        f"(open({str(entry)!r}, 'rb'))[0], {{'__name__': 'heaplake_dump'}})\nexcept BaseException: pass\n"
    )
    process = start(python, REMOTE, outside)
    assert process.communicate(timeout=TIMEOUT) == (b"", b"")
    deadline = time.monotonic() + TIMEOUT
    while not answer.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    heap = Heap(dump)
    names = [frame["name"] for frame in heap.all("frame") if frame.get("root")]
    assert names == ["waits", "<module>"]
    assert os.listdir(tmp_path).count("heap.dump") == 1


#: Another thread begins to import a module while the script does.
IMPORTS = """
import sys
class OtherThread:
    def find_spec(self, name, path=None, target=None):
        if name == "_queue": sys.modules["plugin"] = module
module = type(sys)("plugin")
before = set(sys.modules)
sys.meta_path.insert(0, OtherThread())
exec(compile(open(sys.argv[1], "rb").read(), "<heaplake>", "exec"), {"__name__": "heaplake_dump"})
print(sorted(set(sys.modules) - before))
"""


def test_what_the_program_imports_meanwhile_stays(python, tmp_path):
    """Also where nothing has been imported before, so that the script brings `os` and all."""
    script = tmp_path / "script.py"
    script.write_bytes(heaplake("capture", "script").stdout)
    result = subprocess.run([python, "-I", "-S", "-c", IMPORTS, script], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "['plugin']\n", "")


def captured(process, tmp_path, *args):
    path = tmp_path / "out.dump"
    result = heaplake("capture", "python", "--pid", process.pid, "-o", path, *args)
    permitted(result)
    return result, path


#: Waits in the kernel in every way, and says how long and with what result.
WAITS = """
import os, select, sys, time
r, w = os.pipe()
poll, epoll = select.poll(), select.epoll()
poll.register(r), epoll.register(r)
ways = {"sleep": lambda: time.sleep(3), "select": lambda: select.select([r], [], [], 3), "poll": lambda: poll.poll(3000),
        "epoll": lambda: epoll.poll(3), "busy": lambda: [sum(range(1000)) for _ in iter(lambda: time.monotonic() < end, False)] and None}
print("ready", flush=True)
start = time.monotonic(); end = start + 3
result = ways[sys.argv[1]]()
print(result or None, 2.9 < time.monotonic() - start < 5, flush=True)
"""


@pytest.mark.parametrize("way", ["sleep", "select", "poll", "epoll", "busy"])
def test_what_the_program_waits_for_comes_as_ever(python, tmp_path, way):
    process = start(python, WAITS, way)
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        result, path = captured(process, tmp_path)
        assert result.returncode == 0, result.stderr.decode()
        assert Heap(path).header["capture"]["pid"] == process.pid
        output, error = process.communicate(timeout=TIMEOUT)
        expected = b"([], [], []) True\n" if way == "select" else b"None True\n"
        assert (process.returncode, output, error) == (0, expected, b"")
    finally:
        process.kill()
        process.wait()


def test_gdb_remains(newest, tmp_path):
    if shutil.which("gdb") is None:
        pytest.skip("there is no gdb (apt install gdb)")
    process = start(newest, PROGRAM, "waits")
    try:
        assert process.stdout.readline() == b"ready\n"
        result, path = captured(process, tmp_path, "--via", "gdb")
        if b"extended state" in result.stderr:
            pytest.skip("this gdb cannot call functions of a process on this processor, which has registers that it does not know")
        assert result.returncode == 0, result.stderr.decode()
        assert Heap(path).header["capture"]["pid"] == process.pid
        assert ask(process) == b"alive False []\n"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_an_old_python_is_named_at_once(tmp_path, version):
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
    if not found:
        pytest.skip(f"there is no Python {version}")
    process = subprocess.Popen([str(found[-1]), "-c", "import time; time.sleep(100)"])
    try:
        time.sleep(0.5)
        result, _ = captured(process, tmp_path)
        assert result.returncode == 2 and f"runs Python {version}" in result.stderr.decode()
    finally:
        process.kill()
        process.wait()


def test_a_tracer_and_a_stopped_process_are_said(newest, tmp_path):
    process = start(newest, PROGRAM, "waits")
    try:
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.2)
        result, _ = captured(process, tmp_path)
        assert result.returncode == 2 and b"is stopped" in result.stderr, result.stderr
        os.kill(process.pid, signal.SIGCONT)
        assert ask(process) == b"alive False []\n"
        if shutil.which("gdb"):
            gdb = subprocess.Popen(
                ["gdb", "-nx", "-p", str(process.pid)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            deadline = time.monotonic() + TIMEOUT
            while f"TracerPid:\t{gdb.pid}" not in Path(f"/proc/{process.pid}/status").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            result, _ = captured(process, tmp_path)
            gdb.communicate(b"detach\nquit\n", timeout=TIMEOUT)
            assert result.returncode == 2 and f"traced by process {gdb.pid}".encode() in result.stderr, result.stderr
            assert ask(process) == b"alive False []\n"
    finally:
        process.kill()
        process.wait()


def test_a_folder_of_root_and_a_process_of_another_user(tmp_path):
    python = Path("/usr/bin/python3")
    if os.geteuid() != 0 or not python.exists() or shutil.which("setpriv") is None:
        pytest.skip("needs root, setpriv and a Python that everybody may run")
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(python), "-c"]
    process = subprocess.Popen([*command, "import time\nwhile True: time.sleep(0.1)"])
    try:
        time.sleep(0.5)
        (tmp_path / "closed").mkdir(mode=0o700)
        result, path = captured(process, tmp_path / "closed")
        assert result.returncode == 0, result.stderr.decode()
        assert Heap(path).header["capture"]["pid"] == process.pid
        assert [entry.name for entry in path.parent.iterdir()] == ["out.dump"]
    finally:
        process.kill()
        process.wait()


def test_another_mount_namespace_and_a_deleted_program(newest, tmp_path):
    unshare = ["unshare", "-m", "--propagation", "private"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("this user may not make a mount namespace")
    copy = newest.parent / f"{newest.name}-copy-{os.getpid()}"
    shutil.copy(newest, copy)
    try:
        command = f"mount -t tmpfs none /tmp && exec {copy} -c 'import time; time.sleep(100)'"
        process = subprocess.Popen([*unshare, "sh", "-c", command])
        time.sleep(1)
    finally:
        copy.unlink()
    try:
        result, path = captured(process, tmp_path)
        assert result.returncode == 0, result.stderr.decode()
        assert Heap(path).header["capture"]["pid"] == process.pid
    finally:
        process.kill()
        process.wait()


def test_a_process_that_ends_meanwhile_and_one_that_never_comes_back(newest, tmp_path):
    process = start(newest, "import re; print('ready', flush=True); re.match('(a*)*b', 'a' * 40)")
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        result, _ = captured(process, tmp_path, "--timeout", 1)
        assert result.returncode == 2 and b"long call outside of Python" in result.stderr, result.stderr
        command = [str(BINARY), "capture", "python", "--pid", str(process.pid), "-o", str(tmp_path / "x")]
        waiting = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)
        time.sleep(1)
        process.kill()
        process.wait()
        assert b"ended before the dump was written" in waiting.communicate(timeout=TIMEOUT)[1]
        assert waiting.returncode == 2 and list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait()
