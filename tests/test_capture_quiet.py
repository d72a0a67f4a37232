"""A dump is of the program as it was, and the program does not notice: no hook runs, nothing changes, nothing is left."""

import json

import pytest

from capturing import Heap, run
from test_capture import FOUND, frames, is_at_least, newest, python, wait_for  # noqa: F401 (fixtures)

HOOKS = """
import gc, logging, os, signal, sys, threading, time, heaplake_dump
ran = open(sys.argv[1] + ".ran", "a")
def note(what):
    with open(sys.argv[1] + ".ran", "a") as file:
        file.write(what + "\\n")
queue = [["span", n] for n in range(1000)]
def clear():
    note("after in child")
    queue.clear()
    while True: time.sleep(1)
os.register_at_fork(before=lambda: note("before"), after_in_child=clear, after_in_parent=lambda: note("after in parent"))
locals_of_thread = threading.local()
def work(ready):
    held_by_thread = ["held"]
    locals_of_thread.value = ["local of the thread"]
    ready.set()
    time.sleep(1000)
ready = threading.Event()
threading.Thread(target=work, args=(ready,), name="worker 1", daemon=True).start()
ready.wait()
# Handlers, tracers and finalizers run in a child as well as anywhere.
signal.signal(signal.SIGUSR1, lambda *args: note("handler") if os.getpid() != parent else None)
parent = os.getpid()
class Final:
    def __del__(self):
        if os.getpid() != parent: note("finalizer")
cycle = [Final()]; cycle.append(cycle); del cycle
def trace(*args):
    if os.getpid() != parent: note("trace")
sys.settrace(trace); sys.setprofile(trace); threading.settrace(trace)
signal.setitimer(signal.ITIMER_REAL, 0)
for n in range(20): os.kill(parent, signal.SIGUSR1)
heaplake_dump.dump(sys.argv[1])
sys.settrace(None); sys.setprofile(None)
"""


def test_no_hook_of_the_program_runs(python, tmp_path):
    path = tmp_path / "dump.gz"
    run(python, HOOKS, path)
    assert (tmp_path / "dump.gz.ran").read_text() == ""
    heap = Heap(path)
    assert heap.main("queue")["len"] == 1000
    [worker] = frames(heap, "work")
    assert worker["root"] == "thread worker 1"
    assert heap.follow(worker, "held_by_thread", "[0]")["value"] == "held"
    assert heap.one("str", value="local of the thread") and heap.all("Final")


BUSY = """
import sys, threading, heaplake_dump
stop = False
def busy():
    while not stop:
        sum(i * i for i in range(100))
threads = [threading.Thread(target=busy, daemon=True) for _ in range(6)]
ballast = [[i] for i in range(50_000)]
for thread in threads: thread.start()
for n in range(int(sys.argv[2])):
    result = heaplake_dump.dump(sys.argv[1], values="none")
stop = True
for thread in threads: thread.join()
"""


def test_threads_that_want_the_interpreter_lock(python, tmp_path):
    run(python, BUSY, tmp_path / "dump.gz", 4)
    assert len(frames(Heap(tmp_path / "dump.gz"), "busy")) == 6


UNCHANGED = """
import gc, os, signal, sys, threading, time, warnings, resource
import heaplake_dump
way = sys.argv[2] == "fork"
warnings.simplefilter("default")
warnings.showwarning = lambda *args, **kwargs: None
for n in range(50): warnings.warn(f"warning {n}")
stop = False
def library():
    while not stop:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            time.sleep(0.0002)
        time.sleep(0.0002)
def fds():
    return sorted((fd, os.readlink(f"/proc/self/fd/{fd}")) for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}"))
def state():
    return {
        "registry": len(__warningregistry__), "modules": sorted(sys.modules), "env": dict(os.environ),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() if way else 0, gc.callbacks[:], gc.get_debug()),
        "signals": [signal.getsignal(n) for n in range(1, 65) if n not in (32, 33)], "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "alarm": signal.getitimer(signal.ITIMER_REAL), "fds": fds(), "cwd": os.getcwd(), "umask": (os.umask(0o22), os.umask(0o22)),
        "switch": sys.getswitchinterval(), "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "trace": (sys.gettrace(), sys.getprofile()), "threads": threading.active_count(), "stack": threading.stack_size(),
        "main": sorted(set(globals()) - {"before", "after", "filters", "_"}), "builtins": sorted(vars(__builtins__)), "recursion": sys.getrecursionlimit(),
        "limits": [resource.getrlimit(n) for n in range(16)], "nice": os.nice(0), "registered": len(vars(heaplake_dump)["_turns"]),
    }
heaplake_dump.dump(sys.argv[1], fork=way)
thread = threading.Thread(target=library, daemon=True); thread.start()
before, filters = state(), list(warnings.filters)
for _ in range(int(sys.argv[3])):
    heaplake_dump.dump(sys.argv[1], fork=way, values="none")
stop = True; thread.join()
stop = False
after = state()
before["threads"] -= 1
assert before == after, {k: (before[k], after[k]) for k in before if before[k] != after[k]}
assert [one for one in warnings.filters if one[0] == "error"] == [one for one in filters if one[0] == "error" and one in warnings.filters]
try:
    while True:
        os.waitpid(-1, os.WNOHANG)
        raise SystemExit("a child is left")
except ChildProcessError:
    pass
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_nothing_changes(python, tmp_path, way):
    run(python, UNCHANGED, tmp_path / "dump.gz", way, 15 if way == "fork" else 5)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.gz"]


@pytest.mark.slow
def test_nothing_changes_in_a_hundred_dumps(python, tmp_path):
    run(python, UNCHANGED, tmp_path / "dump.gz", "fork", 100)


SAME = """
import gc, sys, threading, heaplake_dump
class Plain:
    def __init__(self): self.a, self.b = [1], {"two": 2}
objects = [Plain() for _ in range(100)]
setattr(objects[5], "".join(["dyn", "amic"]), ["x"])
def generate():
    local = ["held"]
    yield local
suspended = generate(); next(suspended)
ready, stop = threading.Event(), threading.Event()
def work():
    local = ["held"]
    ready.set(); stop.wait()
threading.Thread(target=work, daemon=True).start(); ready.wait()
def both():
    heaplake_dump.dump(sys.argv[1] + ".fork"); heaplake_dump.dump(sys.argv[1] + ".here", fork=False)
both()
gc.collect(); gc.disable()
both()
stop.set()
"""


def test_with_and_without_a_fork_the_dump_is_the_same(python, tmp_path):
    run(python, SAME, tmp_path / "dump")
    fork, here = Heap(tmp_path / "dump.fork"), Heap(tmp_path / "dump.here")
    # What belongs to the script is held by others here and there; the program's objects are not.
    held = [heap.unexplained() for heap in (fork, here)]
    other = [fork.objects[one]["type"] for one in {*held[0]} & {*held[1]} if held[0][one] != held[1][one]]
    assert len(other) <= 20 and not {*other} & {"Plain", "generator", "Thread", "Event", "module"}, other
    for line in [*fork.objects.values(), *here.objects.values()]:
        line.pop("refcount", None)
    differ = [(fork.objects.get(one), here.objects.get(one)) for one in {*fork.objects, *here.objects}
              if fork.objects.get(one) != here.objects.get(one)]
    # Of each dump alone: the number of its turn, the frame of `both`, whose line is another, copies of the local variables
    # of running frames, and what belongs to the thread that writes in the child. 3.8 makes the code of `_word` larger once
    # it was called often.
    kinds = {"float", "int", "frame", "dict", "set", "cell", "_thread._localdummy"}
    rest = [pair for pair in differ for one in filter(None, pair) if one["type"] not in kinds and one.get("name") not in ("_Output", "_word")]
    assert rest == [] and len(differ) <= 40, differ
    assert abs(len(fork.objects) - len(here.objects)) <= 20


STALL = """
import os, sys, time, heaplake_dump
heaplake_dump._STALL = 2
def message():
    start = time.time()
    try:
        heaplake_dump.dump(sys.argv[1])
    except heaplake_dump.CaptureError as error:
        return str(error), time.time() - start
real = heaplake_dump._Walk._lines
def hang(self, *args):
    if len(self.seen) > 1000:
        while True: time.sleep(1)
    return real(self, *args)
heaplake_dump._Walk._lines = hang
text, seconds = message()
assert "made no progress for 2 s and was ended" in text and seconds < 20, (text, seconds)
heaplake_dump._Walk._lines = lambda self, *args: os.kill(os.getpid(), 9)
text, seconds = message()
assert "was killed or crashed" in text and seconds < 10, (text, seconds)
assert os.listdir(os.path.dirname(sys.argv[1])) == []
heaplake_dump._Walk._lines = real
heaplake_dump.dump(sys.argv[1])
"""


def test_a_child_that_hangs_or_crashes_is_ended_and_said(python, tmp_path):
    run(python, STALL, tmp_path / "dump.gz")
    Heap(tmp_path / "dump.gz")


FORKED = """
import os, signal, sys, time, warnings, heaplake_dump
warnings.simplefilter('ignore')
heaplake_dump._say = lambda text: None
heaplake_dump.install(signal=signal.SIGUSR1, every=float(sys.argv[2]), dir=sys.argv[1], values="none", keep=2)
if float(sys.argv[2]) < 10: time.sleep(1)
pids = []
for n in range(2):
    pid = os.fork()
    if pid == 0:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGUSR1)
        end = time.time() + 4
        while time.time() < end: time.sleep(0.05)
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
heaplake_dump.uninstall()
print(os.getpid(), *pids)
"""


@pytest.mark.parametrize("every", [0.5, 1000])
def test_forks_of_the_program_have_dumps_of_their_own(newest, tmp_path, every):
    parent, *pids = run(newest, FORKED, tmp_path, every).split()
    found = {path.name.split("-")[1] for path in tmp_path.glob("*.dump.gz")}
    assert set(pids) <= found and (parent in found) == (every < 10)
    for path in tmp_path.glob("*.dump.gz"):
        assert str(Heap(path).header["capture"]["pid"]) == path.name.split("-")[1]


UNWRITABLE = """
import os, signal, sys, heaplake_dump
if os.getuid() == 0: os.setuid(65534)
for options in ({"dir": "/proc"}, {"dir": "/dev/null"}, {"dir": "/none"}, {"values": "all"}, {"nothing": 1}):
    try:
        heaplake_dump.install(signal=signal.SIGUSR1, **{"dir": "/tmp", **options})
    except (heaplake_dump.CaptureError, TypeError) as error:
        print(error)
assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
"""


def test_install_says_at_once_what_will_not_work(newest, tmp_path):
    said = run(newest, UNWRITABLE).splitlines()
    wanted = ["may not write into /proc", "is no folder", "No such file", "values must be", "nothing"]
    assert len(said) == 5 and all(what in line for what, line in zip(wanted, said)), said


TRUTH = """
import functools, json, sys, heaplake_dump
class Plain:
    def __init__(self): self.a, self.b, self.c = {}, [], {1: 2}
class Sub(Plain):
    default = 5
    def more(self): self.d = {}
class Slots: __slots__ = ("x", "y", "__dict__")
class SubSlots(Slots): __slots__ = ("w",)
class Many: pass
class Text(str): pass
class Int(int): pass
class Dict(dict): pass
class List(list): pass
class Tuple(tuple): pass
class Error(Exception): pass
class Cached:
    @functools.cached_property
    def cached(self): return {"c": 1}
class Hidden:
    @property
    def p(self): raise SystemExit("a property ran")
    def __init__(self): self.__dict__["p"] = {"hidden": 1}; self.q = {}
class Default: mode = {"class": 1}
class Getattr:
    def __getattr__(self, name): raise SystemExit("__getattr__ ran: " + name)
    def __init__(self): self.z = {}
objects = []
def add(obj, **attributes):
    objects.append(obj)
    for name, value in attributes.items(): setattr(obj, name, value)
    return obj
add(Plain(), tickets={"x": 1}); add(Plain())
add(Slots(), x={}, y=[], extra={"e": 1}); add(Slots(), x={}, only={}); add(Slots(), x={})
add(SubSlots(), w={}, other={}); add(SubSlots(), w={}, x={})
add(Sub(), **{"".join(["dy", "n"]): {}}).more()
vars(add(Sub()))["by_vars"] = {}
add(Sub(), default={"own": 1})
for n in (1, 5, 29, 30, 31, 40): add(Many(), **{f"attribute_{i}": {i: i} for i in range(n)})
m = add(Many(), a={}, b={}); del m.a; m.a = {"again": 1}; del m.b
m = add(Many()); m.__dict__ = {"given": {}}
vars(add(Many(), x={}))
m = add(Many()); m.one = m.two = {"same": 1}
m = add(Many(), x={}); m.__class__ = Plain
for cls in (Text, Int, Dict, List): add(cls(), note={"note": 1})
add(Tuple((1, 2)), note={"note": 1}); add(Error("x"), info={"i": 1})
add(Cached()).cached
add(Cached()); add(Hidden()); add(Hidden())
add(Default(), mode={"m": 1}); add(Default(), other=Default.mode); add(Default(), mode=Default.mode); add(Default(), mode={}, other={})
add(Getattr()); add(Getattr())
def function(a: {"annotation": 1}): pass
add(function, counter={"f": 1})
vars(add(Plain())); vars(add(Plain()))["by_vars"] = {}; vars(add(Many(), one={}, two=Many)); vars(add(Default(), mode={}))
itself = add(Many(), a={}); itself.itself = vars(itself)
emptied = add(Plain()); vars(emptied); del emptied.b
given = add(Plain()); vars(given); given.__dict__ = {"new": {}}
heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
slots = ("x", "y", "w")
print(json.dumps([[id(vars(obj)), id(obj), {name: id(value) for name, value in vars(obj).items()}, {name: id(getattr(obj, name)) for name in slots if
    name not in vars(obj) and isinstance(getattr(type(obj), name, None), type(Slots.x)) and hasattr(obj, name)}] for obj in objects]))
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_every_attribute_has_its_name(python, tmp_path, way):
    """As `vars` says; an attribute's label is right or absent, and here none is absent."""
    known = json.loads(run(python, TRUTH, tmp_path / "dump.gz", way))
    heap = Heap(tmp_path / "dump.gz")
    assert len(known) > 40
    held = heap.unexplained()
    # The last seven were asked for their dictionary.
    for dictionary, address, _, _ in known[-7:]:
        assert heap.follow(heap.objects[address], ".__dict__")["address"] == dictionary
    for _, address, attributes, slots in known:
        obj = heap.objects[address]
        found = {}
        for label, child in heap.edges(obj):
            if label == ".__dict__":
                # Nobody else has it, and what is in it is referred to once.
                assert held.get(child["address"], 0) == 0, child
                assert min([held.get(value["address"], 0) for _, value in heap.edges(child)], default=0) >= 0, obj
                found.update((name[2:-2], value["address"]) for name, value in heap.edges(child) if name != "<key>")
            elif label and label.startswith(".") and not label.startswith(".__"):
                found[label[1:]] = child["address"]
        if obj["type"] == "__main__.Error":
            found.pop("args")
        assert found == attributes | slots if hasattr(dict, "__or__") else {**attributes, **slots}, obj
