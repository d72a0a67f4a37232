"""The capture script under every CPython of the machine: what is in a dump, and that the program does not notice.

Python 3.14 is tested where it is installed; what is special there is that text may be compressed by zstd."""

import signal
import sys
import time

import pytest

from capturing import FOLDER, TIMEOUT, VERSIONS, Heap, pythons, run, short, start, text

FOUND = pythons()
sys.path.insert(0, str(FOLDER))
from heaplake_dump import MASKS


@pytest.fixture(params=VERSIONS)
def python(request):
    if request.param not in FOUND:
        pytest.skip(f"there is no Python {request.param} (pyenv install {request.param})")
    return FOUND[request.param]


@pytest.fixture
def newest():
    return FOUND[max(FOUND, key=lambda version: int(version.split(".")[1]))]


def is_at_least(python, minor):
    return any(path == python and int(version.split(".")[1]) >= minor for version, path in FOUND.items())


#: A program whose heap is known.
KNOWN = """
import asyncio, collections, functools, sys, threading, types, weakref
import heaplake_dump

class Plain:
    def __init__(self):
        self.first = ["one", 2]
        self.second = {"key": "value", 7: "seven", (1, "a"): None, b"raw": 1.5, None: True}

class Slotted:
    __slots__ = ("left", "right", "empty")
    def __init__(self):
        self.left, self.right = "slot left", "slot right"

class Derived(Slotted):
    def __init__(self):
        super().__init__()
        self.more = "beside slots"

class Mapping(dict):
    pass

class Sequence(list):
    pass

class Ring(collections.deque):
    "With a bound that it hides."
    maxlen = 1


class Text(str):
    pass

class Outside:
    pass

Pair = collections.namedtuple("Pair", "a b")

plain = Plain()
slotted = Slotted()
derived = Derived()
outside = Outside()
setattr(outside, "".join(["dy", "namic"]), "set from outside")
mapping = Mapping(inside="mapped")
mapping.note = "of the mapping"
sequence = Sequence(["first item"])
sequence.note = "of the sequence"
text = Text("a text with attributes")
text.note = "of the text"
pair = Pair("pair a", "pair b")
queue = collections.deque(["queued"])
ring = Ring(["in the ring"], 7)
last_lines = collections.deque(maxlen=20)
bounded = functools.lru_cache(maxsize=12)(len)
endless = functools.lru_cache(maxsize=None)(len)
ordered = collections.OrderedDict(x="ordered value")
default = collections.defaultdict(list, y="default value")
weak = weakref.ref(plain)
partial = functools.partial(print, "partial argument")
view = memoryview(bytearray(b"viewed"))
members = {"a member"}
half = "half \\ud83d of a pair"
wide = "gr\\u00fcn \\U0001f600"
long = "x" * 250
huge = 10 ** 50
raw = b"\\x00\\xff raw"

def outer():
    captured = ["captured"]
    def inner(argument="default argument", *, only="keyword only"):
        return captured
    return inner

closure = outer()

def generate():
    local_of_generator = ["held by a generator"]
    yield local_of_generator
    yield None

suspended = generate()
next(suspended)
fresh = generate()
done = generate()
list(done)

async def coroutine():
    local_of_coroutine = ["held by a coroutine"]
    await asyncio.sleep(1000)
    return local_of_coroutine

def work(ready, stop):
    local_of_thread = ["held by a thread"]
    ready.set()
    stop.wait()
    return local_of_thread

def main(path, **options):
    local_of_main = ["held by main"]
    cell_of_main = ["held by a cell"]
    lambda: cell_of_main
    dump(path, options)

def dump(path, options):
    async def run():
        task = asyncio.ensure_future(coroutine())
        await asyncio.sleep(0)
        print(heaplake_dump.dump(path, **options)["objects"])
        task.cancel()
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=work, args=(ready, stop), name="worker 7", daemon=True)
    thread.start()
    ready.wait()
    asyncio.run(run())
    stop.set()
    thread.join()

main(sys.argv[1], **eval(sys.argv[2]))
"""


@pytest.fixture(scope="session")
def known_heap(tmp_path_factory):
    """The dump of the known program under a Python, made once."""
    made = {}

    def make(python, options="{}"):
        if (python, options) not in made:
            path = tmp_path_factory.mktemp("capture") / "known.dump.gz"
            run(python, KNOWN, path, options)
            made[python, options] = path
        return made[python, options]

    return make


@pytest.fixture(params=["{}", "{'fork': False}"], ids=["fork", "no fork"])
def known(request, python, known_heap):
    return Heap(known_heap(python, request.param))


@pytest.mark.parametrize("options", ["{}", "{'fork': False}", "{'redact': True}", "{'values': 'full'}"])
def test_a_dump_is_imported_without_an_issue(python, known_heap, lake, options):
    path = known_heap(python, options)
    lake.load(path, "known")
    assert lake.sql("select count(*) from issue") == [(0,)]
    assert lake.sql("select dangling, issues from dump") == [(0, 0)]
    assert lake.sql("select count(*) from obj")[0][0] >= 10_000


def test_the_header_tells_where_it_is_from(python, known_heap):
    capture = Heap(known_heap(python)).header["capture"]
    assert capture["format"] == 2 and capture["pid"] > 1 and capture["rss"] > 1 << 20
    assert is_at_least(python, int(capture["python"].split(".")[1]))
    assert capture["command"][-1] == "{}" and capture["host"] and capture["fork"] is True
    assert abs(time.mktime(time.strptime(capture["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.time()) < 100_000


def test_attributes_keys_and_items_have_their_labels(known):
    plain = known.main("plain")
    assert known.attribute(plain, "first")["type"] == "list"
    assert known.follow(known.attribute(plain, "first"), "[0]")["value"] == "one"
    assert known.follow(known.attribute(plain, "first"), "[1]")["value"] == 2
    second = known.attribute(plain, "second")
    assert known.labels(second)[::2] == ["<key>"] * 5
    assert known.labels(second)[1::2] == ["['key']", "[7]", "[(1, 'a')]", "[b'raw']", "[None]"]
    assert known.follow(second, "['key']")["value"] == "value"
    assert known.follow(second, "[b'raw']")["value"] == "1.5"
    assert known.follow(plain, ".__class__")["name"] == "Plain"
    slotted = known.main("slotted")
    assert known.labels(slotted) == [".left", ".right", ".__class__"]
    assert known.follow(slotted, ".right")["value"] == "slot right"
    derived = known.main("derived")
    assert known.follow(derived, ".left")["value"] == "slot left"
    assert known.attribute(derived, "more")["value"] == "beside slots"


def test_an_attribute_that_no_code_names_has_its_name(known):
    assert known.attribute(known.main("outside"), "dynamic")["value"] == "set from outside"


def test_containers_with_attributes(known):
    assert known.follow(known.main("mapping"), "['inside']")["value"] == "mapped"
    assert known.attribute(known.main("mapping"), "note")["value"] == "of the mapping"
    assert known.follow(known.main("sequence"), "[0]")["value"] == "first item"
    assert known.attribute(known.main("sequence"), "note")["value"] == "of the sequence"
    text = known.main("text")
    assert (text["value"], text["len"]) == ("a text with attributes", 22)
    assert known.attribute(text, "note")["value"] == "of the text"
    assert known.follow(known.main("pair"), "[1]")["value"] == "pair b"
    assert known.follow(known.main("queue"), "[0]")["value"] == "queued"
    assert known.follow(known.main("ordered"), "['x']")["value"] == "ordered value"
    assert known.follow(known.main("default"), "['y']")["value"] == "default value"
    assert [child["value"] for _, child in known.edges(known.main("members"))] == ["a member"]


def test_containers_say_what_bounds_them(known):
    assert known.main("ring")["value"] == "maxlen=7"
    assert (known.main("last_lines")["value"], known.main("last_lines")["len"]) == ("maxlen=20", 0)
    assert "value" not in known.main("queue")
    assert known.main("bounded")["value"] == "maxsize=12"
    assert known.main("endless")["value"] == "maxsize=None"


def test_functions_and_closures(known):
    function = known.main("closure")
    assert function["name"] == "inner"
    assert known.follow(function, ".__closure__", "[0]", ".cell_contents", "[0]")["value"] == "captured"
    assert known.follow(function, ".__defaults__", "[0]")["value"] == "default argument"
    assert known.follow(function, ".__kwdefaults__", "['only']")["value"] == "keyword only"
    assert known.follow(function, ".__globals__") == known.follow(known.one("module", name="__main__"), ".__dict__")
    code = known.follow(function, ".__code__")
    assert (code["type"], code["name"]) == ("code", "inner")
    assert known.follow(code, ".co_filename")["value"] == "<string>"
    partial = known.main("partial")
    assert known.follow(partial, ".args", "[0]")["value"] == "partial argument"


def test_classes(known):
    derived = known.follow(known.main("derived"), ".__class__")
    assert known.follow(derived, ".__base__")["name"] == "Slotted"
    assert known.follow(derived, ".__mro__", "[1]")["name"] == "Slotted"
    assert known.follow(derived, ".__dict__", "['__init__']")["name"] == "__init__"
    static = known.follow(derived, ".__mro__", "[2]")
    assert (static["name"], static["root"]) == ("object", "static type")
    assert known.follow(static, ".__dict__", "['__init__']")["type"] == "wrapper_descriptor"


def test_weak_references_are_said_to_be_weak(known):
    weak = known.main("weak")
    [place] = weak["weak"]
    assert weak["refs"][place] == known.main("plain")["address"]
    assert weak["labels"][place] == "()"


def test_a_view_leads_to_what_it_views(known):
    assert known.follow(known.main("view"), ".obj")["type"] == "bytearray"
    assert known.main("view")["len"] == 6


def test_values(known):
    assert known.main("half")["value"] == "half \ufffd of a pair"
    assert known.main("wide")["value"] == "gr\u00fcn \U0001f600"
    assert (known.main("long")["value"], known.main("long")["len"]) == ("x" * 100, 250)
    assert "value" not in known.main("huge")
    assert known.main("raw")["value"] == "\x00\xff raw"


def frames(heap, name):
    return [frame for frame in heap.all("frame") if frame.get("name") == name]


def test_running_frames_are_roots_and_have_their_locals(known):
    [main] = frames(known, "main")
    assert main["root"] == "thread MainThread"
    assert main["value"].startswith("<string>:")
    assert known.follow(main, "local_of_main", "[0]")["value"] == "held by main"
    cell = known.follow(main, "cell_of_main")
    cell = known.follow(cell, ".cell_contents") if cell["type"] == "cell" else cell
    assert known.follow(cell, "[0]")["value"] == "held by a cell"
    assert known.follow(main, ".f_back")["name"] == "<module>"
    [worker] = frames(known, "work")
    assert worker["root"] == "thread worker 7"
    assert known.follow(worker, "local_of_thread", "[0]")["value"] == "held by a thread"


def test_generators_and_tasks(known):
    def frame_of(obj, name):
        return known.follow(obj, name) if name in known.labels(obj) and "local" not in str(known.labels(obj)) else obj

    suspended = known.main("suspended")
    assert suspended["name"] == "generate"
    holder = frame_of(suspended, ".gi_frame")
    assert known.follow(holder, "local_of_generator", "[0]")["value"] == "held by a generator"
    assert known.main("fresh")["type"] == known.main("done")["type"] == "generator"
    waiting = known.one("coroutine", name="coroutine")
    holder = frame_of(waiting, ".cr_frame")
    assert known.follow(holder, "local_of_coroutine", "[0]")["value"] == "held by a coroutine"


def test_roots(known):
    kinds = {obj["root"] for obj in known.objects.values() if "root" in obj}
    assert {"interpreter", "sys.modules", "thread MainThread", "thread worker 7", "static type"} <= kinds
    assert known.one("module", name="__main__")["root"] == "sys.modules"
    assert known.one("module", name="builtins")["root"] == "sys.modules"
    signals = [obj for obj in known.objects.values() if obj.get("root", "").startswith("signal ")]
    assert [obj["root"] for obj in signals] == ["signal SIGINT"]


HELD_BY_C = """
import asyncio, atexit, contextvars, sys, threading, weakref, heaplake_dump
class Value:
    def __init__(self, name):
        self.name = name
class Target: pass
class Sub(threading.local):
    def __init__(self):
        self.of_init = Value("of init")
local, sub = threading.local(), Sub()
local.attribute = Value("local of main")
variable, session_token = contextvars.ContextVar("request"), contextvars.ContextVar("session_token")
ready, stop = threading.Event(), threading.Event()
def work():
    local.attribute, sub.other = Value("local of worker"), Value("sub of worker")
    variable.set(Value("context of worker"))
    ready.set()
    stop.wait()
thread = threading.Thread(target=work, name="worker 7")
thread.start()
ready.wait()
variable.set(Value("context of main"))
many = [contextvars.ContextVar("many-%d" % n) for n in range(40)]
for n, one in enumerate(many):
    one.set(Value("many %d" % n))
session_token.set("-".join(["a", "secret"]))
atexit.register(lambda value: None, Value("at exit"))
atexit.unregister(print)
target = Target()
reference = weakref.ref(target, lambda _, value=Value("of a callback"): None)
finalizer = weakref.finalize(target, print, Value("of a finalizer"))
try:
    raise ValueError(Value("of a failure"))
except ValueError as error:
    sys.last_value = error
heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
stop.set()
thread.join()
"""


#: References on the way from a value of the program below to what holds it, at most.
MOST_HOPS = 7


def ways_up(obj, referrers):
    """Labels of the ways from an object up, nearest first; a root kind comes last."""
    todo, found = [(obj, (), {obj["address"]})], set()
    while todo:
        obj, labels, met = todo.pop()
        if "root" in obj or len(labels) == MOST_HOPS:
            found.add((*labels, obj.get("root")))
            continue
        for label, parent in referrers.get(obj["address"], []):
            # Modules hold each other, and every function holds its module.
            if parent["address"] not in met and label not in (".__globals__", ".f_globals", ".f_locals", ".__class__"):
                todo.append((parent, (*labels, label), met | {parent["address"]}))
    return found


@pytest.mark.parametrize("way", ["fork", "here"])
def test_what_the_interpreter_itself_holds_is_said(python, tmp_path, way):
    run(python, HELD_BY_C, tmp_path / "held.dump", way)
    heap = Heap(tmp_path / "held.dump")
    referrers = {}
    for parent in heap.objects.values():
        for label, address in zip(parent.get("labels", [None] * len(parent["refs"])), parent["refs"]):
            referrers.setdefault(address, []).append((label, parent))
    ways = {}
    for obj in heap.all("Value"):
        ways.setdefault(heap.attribute(obj, "name")["value"], set()).update(ways_up(obj, referrers))

    def has(name, *labels):
        """Whether a way has these labels in this order, with others between."""
        def fits(way):
            rest = iter(way)
            return all(any(label == one for one in rest) for label in labels)
        return any(fits(way) for way in ways[name])

    assert has("local of main", "['attribute']", "[<thread MainThread>]", "['local']"), ways["local of main"]
    assert has("local of worker", "['attribute']", "[<thread worker 7>]", "['local']"), ways["local of worker"]
    assert has("sub of worker", "['other']", "[<thread worker 7>]", "['sub']")
    assert has("of init", "['of_init']", "['sub']")
    assert has("context of main", "[<ContextVar request>]", "thread MainThread"), ways["context of main"]
    assert has("context of worker", "[<ContextVar request>]", "thread worker 7")
    assert all(has(f"many {n}", f"[<ContextVar many-{n}>]", "thread MainThread") for n in range(40))
    assert has("at exit", "[0]", "atexit" if is_at_least(python, 10) else "sys.modules"), ways["at exit"]
    assert has("of a callback", ".__defaults__", ".__callback__", "['reference']")
    assert has("of a finalizer", ".args", "[<finalize>]", "['_registry']"), ways["of a finalizer"]
    assert has("of a failure", "['last_value']", "interpreter"), ways["of a failure"]
    assert not [obj for obj in heap.objects.values() if obj.get("value") == "a-secret"]


def test_a_dump_has_nothing_of_its_own(known):
    assert not [obj for obj in known.all("frame") if "heaplake_dump" in obj.get("value", "")]
    own = {"_Walk", "_Output", "_Options", "_Job", "_Stacks", "_Frame", "_Type", "_Template", "_KeyLabels", "_Child", "_Turn"}
    assert not own & {short(obj["type"]) for obj in known.objects.values()}
    assert not known.all("catch_warnings")
    # The list of everything would be the longest by far.
    assert max(obj["len"] for obj in known.all("list")) < 5000


TYPES = """
import collections, datetime, functools, sys, types, weakref
import heaplake_dump

armed = False
class Trap(str):
    "Text whose methods tell when they run."
    def tell(self, *args):
        if armed:
            print("a method of the program ran")
        return False
    __eq__ = isascii = encode = __len__ = __getitem__ = tell
    __hash__ = str.__hash__

class Meta(type):
    @property
    def __module__(cls):
        print("a property of the program ran")
        return "wrong"
    __name__ = __dict__ = __module__
    def __getattribute__(cls, name):
        print("__getattribute__ ran")
        return type.__getattribute__(cls, name)

class Session: pass
class Outer:
    class Inner: pass
def make():
    class Local: pass
    return Local

other = types.ModuleType("billing")
exec("class Session: pass", other.__dict__)
kept = {
    "own": Session(), "other": other.Session(), "inner": Outer.Inner(), "local": make()(),
    "meta": Meta("OfMeta", (), {"__slots__": ()})(),
    "text": type(Trap("Named"), (), {"__module__": Trap("deep.module"), "__qualname__": Trap("Out.Named")})(),
    "bare": type("Bare", (), {"__module__": 7})(),
    "key": type("Key", (), {Trap("__sizeof__"): 1, Trap("__mro__"): 2})(),
    "queue": collections.deque(), "partial": functools.partial(print), "time": datetime.date(2026, 3, 1),
    "dict": {}, "function": make, "weak": weakref.WeakSet(), "ordered": collections.OrderedDict(),
}
armed = True
heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
armed = False
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_types_have_their_module(python, tmp_path, way):
    assert run(python, TYPES, tmp_path / "types.dump", way) == ""
    heap = Heap(tmp_path / "types.dump")
    names = {label[2:-2]: child["type"] for label, child in heap.edges(heap.main("kept")) if label != "<key>"}
    assert names == {
        "own": "__main__.Session", "other": "billing.Session", "inner": "__main__.Outer.Inner",
        "local": "__main__.make.<locals>.Local", "meta": "__main__.OfMeta", "text": "deep.module.Out.Named",
        "bare": "Bare", "key": "__main__.Key", "queue": "collections.deque", "partial": "functools.partial",
        "time": "datetime.date", "dict": "dict", "function": "function", "weak": "_weakrefset.WeakSet",
        "ordered": "collections.OrderedDict",
    }


#: Objects that tell when any of their code runs; a child would tell as well.
TRAPS = """
import collections, os, sys, heaplake_dump
armed = False
def trap(name):
    if armed:
        # By name: a child closes what it inherits.
        with open(sys.argv[2], "a") as file:
            file.write(name + "\\n")

def method(name, answer):
    def run(self, *args):
        trap(name)
        return answer(self, *args)
    return run

class Meta(type):
    __eq__ = method("Meta.__eq__", lambda cls, other: cls is other)
    __hash__ = method("Meta.__hash__", lambda cls: 1)
    __repr__ = method("Meta.__repr__", lambda cls: "x")
    __instancecheck__ = method("Meta.__instancecheck__", lambda cls, obj: False)
    __subclasscheck__ = method("Meta.__subclasscheck__", lambda cls, obj: False)
    __sizeof__ = method("Meta.__sizeof__", lambda cls: 1)
    def __getattribute__(cls, name):
        trap("Meta.__getattribute__ " + name)
        return type.__getattribute__(cls, name)

class Base(metaclass=Meta):
    inside = 1
    __eq__ = method("__eq__", lambda self, other: True)
    __hash__ = method("__hash__", lambda self: 1)
    __repr__ = method("__repr__", lambda self: "x")
    __str__ = method("__str__", lambda self: "x")
    __len__ = method("__len__", lambda self: 3)
    __iter__ = method("__iter__", lambda self: iter(()))
    __bool__ = method("__bool__", lambda self: False)
    __sizeof__ = method("__sizeof__", lambda self: 1)
    __getattr__ = method("__getattr__", lambda self, name: None)
    __del__ = method("__del__", lambda self: None)
    __getitem__ = method("__getitem__", lambda self, at: None)
    __format__ = method("__format__", lambda self, spec: "x")
    __index__ = method("__index__", lambda self: 1)
    items = keys = values = method("items", lambda self: ())
    def __getattribute__(self, name):
        trap("__getattribute__ " + name)
        return object.__getattribute__(self, name)
    @property
    def shown(self):
        trap("property")
    @property
    def __class__(self):
        trap("__class__")
        return int

class Plain(Base):
    def __init__(self):
        self.field = [1]
class Quiet:
    "Nothing of its own but a property, which has the name of an attribute."
    def __init__(self):
        self.__dict__["shadowed"] = 1
        self.other = 2
    @property
    def shadowed(self):
        trap("shadowing property")
class Lazy:
    def __get__(self, obj, cls):
        trap("Lazy.__get__")
class WithLazy:
    lazy = Lazy()
    def __init__(self, n):
        self.a = n
        if n:
            self.lazy = 2
            self.b = 3
class Dict(Base, dict): pass
class List(Base, list): pass
class Tuple(Base, tuple): pass
class Str(Base, str): pass
class Int(Base, int): pass
class Bytes(Base, bytes): pass
class Deque(Base, collections.deque):
    @property
    def maxlen(self):
        trap("maxlen")
class Slots(Base):
    __slots__ = ("slot",)

objects = [cls() for cls in (Plain, Quiet, Dict, List, Tuple, Str, Int, Bytes, Slots)]
objects += [WithLazy(0), WithLazy(1), WithLazy(0), WithLazy(1), Deque(maxlen=3)]
dict.__setitem__(objects[2], objects[5], objects[6])
list.append(objects[3], objects[0])
keyed = {objects[0]: 1, Str("key"): 2, 1: objects[6]}
import weakref
proxied = Plain()
proxy = weakref.proxy(proxied)
armed = True
heaplake_dump.dump(sys.argv[1], fork=sys.argv[3] == "fork")
armed = False
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_nothing_of_the_program_runs(python, tmp_path, way):
    trapped = tmp_path / "trapped"
    run(python, TRAPS, tmp_path / "traps.dump", trapped, way)
    assert not trapped.exists(), trapped.read_text()
    heap = Heap(tmp_path / "traps.dump")
    names = {short(obj["type"]) for obj in heap.objects.values()}
    assert {"Plain", "Quiet", "Dict", "List", "Tuple", "Str", "Int", "Bytes", "Slots", "weakproxy"} & names >= {"Dict", "Str"}
    assert heap.all("Deque")[0]["value"] == "maxlen=3"
    assert heap.attribute(heap.all("Plain")[0], "field")["type"] == "list"


UNTOUCHED = """
import gc, sys, heaplake_dump
class Plain:
    def __init__(self):
        self.a, self.b = [1], [2]
def generate():
    value = object()
    yield 1
objects = [Plain() for _ in range(100)]
generators = [generate() for _ in range(10)]
for generator in generators: next(generator)
def state():
    return [len(gc.get_referents(obj)) for obj in objects + generators]
def go():
    held = object()
    before = state(), sys.getrefcount(held), sys.getswitchinterval(), gc.isenabled()
    heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
    after = state(), sys.getrefcount(held), sys.getswitchinterval(), gc.isenabled()
    assert before == after, (before, after)
go()
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_the_program_is_as_it_was(python, tmp_path, way):
    if way == "here" and is_at_least(python, 11):
        # The frame of a suspended generator becomes an object, and stays one until the generator ends.
        program = UNTOUCHED.replace("objects + generators", "objects")
    else:
        program = UNTOUCHED
    run(python, program, tmp_path / "dump.gz", way)


MEMORY = """
import gc, os, sys, time, heaplake_dump
def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
class Item:
    def __init__(self, i):
        self.number, self.name, self.parts = i, str(i), [i, i + 1]
items = [Item(i) for i in range(int(sys.argv[2]))]
heaplake_dump.dump(sys.argv[1])
gc.collect()
before, tracked = rss(), len(gc.get_objects())
result = heaplake_dump.dump(sys.argv[1])
gc.collect()
grown = rss() - before
assert len(gc.get_objects()) - tracked < 20, len(gc.get_objects()) - tracked
assert grown < 4 << 20, grown
assert sum(item.number for item in items) == len(items) * (len(items) - 1) // 2
try:
    os.waitpid(-1, os.WNOHANG)
    raise SystemExit("a child is left")
except ChildProcessError:
    pass
print(result["objects"], result["pause"], result["objects"] / result["seconds"])
"""


def test_memory_returns_and_no_child_is_left(python, tmp_path):
    run(python, MEMORY, tmp_path / "dump.gz", 20_000)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.gz"]


@pytest.mark.slow
def test_two_million_objects(newest, lake, tmp_path):
    objects, pause, _ = run(newest, MEMORY, tmp_path / "dump.gz", 500_000).split()
    assert int(objects) > 2_000_000
    assert float(pause) < 1
    lake.load(tmp_path / "dump.gz", "big")
    assert lake.sql("select count(*) from obj where type = '__main__.Item'") == [(500_000,)]
    assert lake.sql("select dangling, issues from dump") == [(0, 0)]


MANY_THREADS = """
import logging, sys, threading, time, heaplake_dump
locked = threading.Event()
stop = False
handler = logging.StreamHandler()
def hold_locks():
    # Not the lock of the module logging: before every fork Python itself waits for that.
    with threading._active_limbo_lock, handler.lock:
        locked.set()
        while not stop:
            time.sleep(0.01)
def busy(n):
    local_of_thread = [n]
    while not stop:
        garbage = [[object() for _ in range(10)] for _ in range(10)]
        garbage.append(garbage)
        time.sleep(0.002)
def talk():
    while not stop:
        sys.stderr.flush()
        sys.stdout.flush()
        time.sleep(0)
threads = [threading.Thread(target=busy, args=(n,), daemon=True) for n in range(48)]
threads.append(threading.Thread(target=talk, daemon=True))
for thread in threads: thread.start()
holder = threading.Thread(target=hold_locks, daemon=True)
holder.start()
locked.wait()
for n in range(3):
    result = heaplake_dump.dump(sys.argv[1], **eval(sys.argv[2]))
stop = True
for thread in threads + [holder]: thread.join()
"""


@pytest.mark.parametrize("options", ["{}", "{'fork': False}"], ids=["fork", "no fork"])
def test_fifty_threads_that_hold_locks(python, tmp_path, options, lake):
    run(python, MANY_THREADS, tmp_path / "dump.gz", options)
    heap = Heap(tmp_path / "dump.gz")
    workers = [frame for frame in frames(heap, "busy") if frame.get("root")]
    assert len(workers) == 48 == len({frame["root"] for frame in workers})
    held = [heap.follow(frame, "local_of_thread", "[0]")["value"] for frame in workers]
    assert sorted(held) == list(range(48))
    lake.load(tmp_path / "dump.gz", "threads")
    assert lake.sql("select count(*) from issue") == [(0,)]


SECRET = "Xyzzy4711"
SECRETS = """
import asyncio, sys, threading, heaplake_dump
S = "".join(chr(ord(c) - 1) for c in sys.argv[2])
del sys.argv[2]
class User:
    def __init__(self):
        self.name = S
        self.mail = (S + "@example.org").encode()
user = User()
setattr(user, S + " attribute", 1)
user.__dict__[S] = S
fresh = User()
setattr(fresh, S + "_identifier", 1)
by_key = {S: 1, (S, 1): 2, S.encode(): 3, frozenset([S]): 4}
error = ValueError(S, {S: S})
text = type("Text", (str,), {})(S + "!")
number = int.from_bytes(S.encode(), "big")
small = 4711047110
def run():
    local = S + " of a thread"
    ready.set(); stop.wait()
ready, stop = threading.Event(), threading.Event()
thread = threading.Thread(target=run, name=S, daemon=True)
thread.start(); ready.wait()
heaplake_dump.dump(sys.argv[1], redact=True, salt=b"same", values=sys.argv[2])
stop.set()
print(number)
"""


@pytest.mark.parametrize("values", ["none", "short", "full"])
def test_redaction_leaks_no_text(python, tmp_path, values):
    shifted = "".join(chr(ord(c) + 1) for c in SECRET)
    path = tmp_path / "dump.gz"
    number = run(python, SECRETS, path, shifted, values).strip()
    content = text(path)
    for leak in (SECRET, SECRET[:5], SECRET.lower(), SECRET.encode().hex(), number, hex(int(number)), "4711047110", "example.org", str(tmp_path)):
        assert leak not in content, leak
    heap = Heap(path)
    assert heap.header["capture"]["command"] is None and heap.header["capture"]["host"] is None
    name = heap.attribute(heap.main("fresh"), "name")
    if values == "none":
        assert "value" not in name
    else:
        # Equal texts have equal hashes, so that they can still be counted.
        assert name["value"].startswith(f"redacted:{len(SECRET)}:") and len(name["value"]) == len("redacted:9:") + 16
        keys = [label for label in heap.labels(heap.main("by_key")) if "redacted" in label]
        assert keys == [f"['{name['value']}']"]


MASKED = """
import collections, os, sys, heaplake_dump

def hidden(name):
    "A text that no code has as a constant."
    made.append("-".join(["hidden", name]))
    return made[-1]
made = []
class Trap(str):
    def lower(self): tell("lower")
    def __eq__(self, other): tell("__eq__")
    def __len__(self): return tell("__len__") or 1
    def __getitem__(self, at): tell("__getitem__")
    def encode(self, *args): tell("encode")
    def isascii(self): tell("isascii")
    def __hash__(self): return hash("trapped")
armed = False
def tell(what):
    if armed:
        print(what, "ran")
class Account:
    def __init__(self, n):
        self.api_key, self.user = hidden("attribute"), "shown-user-%d" % n
class Slots:
    __slots__ = ("auth_token", "count")
    def __init__(self):
        self.auth_token, self.count = hidden("slot"), 7000007
class Text(str): pass
accounts = [Account(n) for n in range(3)]
slots = Slots()
config = {
    "Password": hidden("key"), "X-Api-Key": hidden("bytes").encode(), "user": "shown-user",
    "tokens": [hidden("list"), (hidden("tuple"), {"x": hidden("deep")}), collections.deque([hidden("deque")])],
    b"session_cookie": hidden("under bytes"), "client secret": Trap(hidden("subclass")), "secret_number": int("98765" "4321"),
    "is_secret": True, "token_count": 3, "password_file": None, "pin": hidden("by a word of its own"), 1: "shown-one",
}
text = Text("shown-text")
text.passphrase = Text(hidden("of a text"))
headers = [(b"authorization", hidden("header").encode()), ("cookie", hidden("pair")), ("accept", "shown-accept")]
class Evil:
    def __eq__(self, other): tell("__eq__ of a key")
    def __hash__(self): return hash("password")
strange = {"password": hidden("in a strange dictionary"), Evil(): "shown-strange"}
def wait(token):
    local_token = token + ""
    yield
waiting = wait(hidden("suspended"))
next(waiting)
os.environ["DB_PASSWORD"] = hidden("environment")
def go(passwd):
    heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork", **eval(sys.argv[3]))
made.clear()
armed = True
go(hidden("frame"))
armed = False
"""


@pytest.mark.parametrize("way", ["fork", "here"])
@pytest.mark.parametrize("values", ["short", "full"])
def test_values_of_secrets_are_left_out(python, tmp_path, way, values):
    path = tmp_path / "secrets.dump"
    arguments = ["--db-password", "hidden-argument", "--token=hidden-option", "shown-argument"]
    options = repr({"values": values, "mask": ["PIN", *MASKS]})
    assert run(python, MASKED, path, way, options, *arguments) == ""
    heap = Heap(path)
    assert [obj["value"] for obj in heap.objects.values() if "hidden-" in str(obj.get("value", ""))] == []
    shown = {obj["value"] for obj in heap.all("str") + heap.all("Text")}
    assert {"shown-user", "shown-user-2", "shown-one", "shown-text", "shown-accept", "shown-strange", "shown-argument"} <= shown
    assert heap.header["capture"]["command"][-4:] == ["--db-password", "<masked>", "--token=<masked>", "shown-argument"]
    config = heap.main("config")
    assert heap.follow(config, "['Password']")["value"].startswith("redacted:10:")
    assert heap.follow(config, "['secret_number']").get("value") is None
    assert heap.follow(config, "['is_secret']")["value"] == "True" and heap.follow(config, "['token_count']")["value"] == 3
    assert heap.follow(heap.main("slots"), ".count")["value"] == 7000007
    assert "\0" not in text(path)


def test_masks_can_be_changed(newest, tmp_path):
    run(newest, MASKED, tmp_path / "none.dump", "fork", "{'mask': None}")
    unmasked = Heap(tmp_path / "none.dump")
    assert unmasked.follow(unmasked.main("config"), "['Password']")["value"] == "hidden-key"
    run(newest, MASKED, tmp_path / "usual.dump", "fork", "{}")
    usual = Heap(tmp_path / "usual.dump")
    assert usual.follow(usual.main("config"), "['pin']")["value"] == "hidden-by a word of its own"
    assert usual.follow(usual.main("config"), "['Password']")["value"].startswith("redacted:")


@pytest.mark.parametrize("values", ["none", "short", "full"])
def test_values_as_asked(newest, known_heap, values):
    heap = Heap(known_heap(newest, repr({"values": values})))
    expected = {"none": (None, None, None), "short": ("x" * 100, None, 2), "full": ("x" * 250, hex(10**50), 2)}[values]
    found = [heap.main("long"), heap.main("huge"), heap.follow(heap.attribute(heap.main("plain"), "first"), "[1]")]
    assert tuple(obj.get("value") for obj in found) == expected
    assert heap.main("ring").get("value") == (None if values == "none" else "maxlen=7")


WAITING = """
import signal, sys, threading, time, heaplake_dump
heaplake_dump.install(signal=signal.SIGUSR1, dir=sys.argv[1], **eval(sys.argv[2]))
held_by_the_program = ["still here"]
def loop():
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    print("ready", flush=True)
    n = 0
    while not stop.wait(0.01):
        n += 1
    print("worked", n > 0, held_by_the_program)
loop()
heaplake_dump.uninstall()
assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
"""


def wait_for(condition, process=None):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_a_signal_makes_a_dump(python, tmp_path):
    folder = tmp_path / "dumps"
    folder.mkdir()
    process = start(python, WAITING, folder, "{'keep': 2}")
    assert process.stdout.readline() == b"ready\n"
    for n in (1, 2, 3):
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: any(path.name.endswith(f"-{n}.dump.gz") for path in folder.iterdir()), process)
        # The child is waited for in a thread; as long as it is there, no other dump begins.
        time.sleep(0.2)
    output, error = process.communicate(b"\n", timeout=TIMEOUT)
    assert (process.returncode, output, error) == (0, b"worked True ['still here']\n", b"")
    assert sorted(path.name[-10:] for path in folder.iterdir()) == ["-2.dump.gz", "-3.dump.gz"]
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        heap = Heap(path)
        [loop] = frames(heap, "loop")
        assert loop["root"] == "thread MainThread"
        assert [obj["name"] for obj in heap.objects.values() if obj.get("root") == "signal SIGUSR1"]


EVERY = """
import sys, time, heaplake_dump
heaplake_dump.install(every=0.05, dir=sys.argv[1], keep=3, values="none")
time.sleep(1.5)
heaplake_dump.uninstall()
time.sleep(0.3)
"""


def test_every_so_often(newest, tmp_path):
    run(newest, EVERY, tmp_path)
    dumps = sorted(tmp_path.glob("*.dump.gz"))
    assert [path.name.split("-")[0] for path in dumps] == ["heap"] * 3
    for path in dumps:
        Heap(path)


MEMORY_ERROR = """
import sys, threading, heaplake_dump
def fail():
    held_when_it_failed = ["evidence"]
    bytearray(1 << 60)
if sys.argv[2] == "with":
    try:
        with heaplake_dump.memory_errors(dir=sys.argv[1]):
            fail()
    except MemoryError:
        pass
else:
    heaplake_dump.install(on_memory_error=True, dir=sys.argv[1])
    if sys.argv[2] == "thread":
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    else:
        fail()
"""


WITHOUT_MEMORY = """
import resource, sys, heaplake_dump
heaplake_dump.install(on_memory_error=True, dir=sys.argv[1], fork=sys.argv[2] == "fork")
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
class Small:
    __slots__ = ("text", "more")
    def __init__(self, n):
        self.text, self.more = "small %d" % n, [n]
kept = []
by_name = {}
resource.setrlimit(resource.RLIMIT_AS, (size + (24 << 20),) * 2)
while True:
    kept.append(Small(len(kept)))
    by_name[kept[-1].text] = kept[-1]
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_many_small_objects_reach_a_limit_of_memory(python, tmp_path, way):
    process = start(python, WITHOUT_MEMORY, tmp_path, way)
    _, error = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1 and error.decode().rstrip().endswith("MemoryError")
    assert "heaplake_dump" not in error.decode(), error.decode()
    [path] = tmp_path.glob("heap-*-memory-error.dump.gz")
    heap = Heap(path)
    assert heap.header["capture"]["reason"] == "MemoryError"
    # The allocation that failed may have been one inside of Small(), whose frame then holds an object that is not kept yet.
    assert 20_000 < heap.main("kept")["len"] <= len(heap.all("Small")) <= heap.main("kept")["len"] + 1
    assert heap.follow(heap.main("kept"), "[15000]", ".text")["value"] == "small 15000"
    assert heap.follow(heap.main("by_name"), "['small 12000']", ".more", "[0]")["value"] == 12000


@pytest.mark.parametrize("where", ["main", "thread", "with"])
def test_a_memory_error_makes_a_dump(python, tmp_path, where):
    process = start(python, MEMORY_ERROR, tmp_path, where)
    _, error = process.communicate(timeout=TIMEOUT)
    assert process.returncode == (1 if where == "main" else 0)
    assert (b"MemoryError" in error) == (where != "with")
    [path] = tmp_path.glob("*.dump.gz")
    heap = Heap(path)
    [failed] = frames(heap, "fail")
    assert heap.follow(failed, "held_when_it_failed", "[0]")["value"] == "evidence"
    assert [obj["type"] for obj in heap.objects.values() if obj.get("root") == "exception"] == ["MemoryError"]


ERRORS = """
import os, sys, heaplake_dump
def message(**options):
    try:
        heaplake_dump.dump(**options)
    except heaplake_dump.CaptureError as error:
        return str(error)
folder = sys.argv[1]
assert "No such file" in message(path=folder + "/none/dump")
assert "No such file" in message(path=folder + "/none/dump", fork=False)
assert "values must be" in message(path=folder + "/dump", values="all")
assert "compress must be" in message(path=folder + "/dump", compress="xz")
assert "salt must be bytes" in message(path=folder + "/dump", salt="text")
assert "mask must be words" in message(path=folder + "/dump", mask="password")
try:
    heaplake_dump.install(dir=folder)
except heaplake_dump.CaptureError as error:
    assert "nothing to install" in str(error)
try:
    heaplake_dump.install(every=1, dir=folder + "/none")
except heaplake_dump.CaptureError as error:
    assert "No such file" in str(error)
real = heaplake_dump._Walk.run
heaplake_dump._Walk.run = lambda self: os.kill(os.getpid(), 9)
assert "was killed or crashed, after 0 objects" in message(path=folder + "/dump")
heaplake_dump._Walk.run = real
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
assert "File too large" in message(path=folder + "/dump")
assert "File too large" in message(path=folder + "/dump", fork=False)
assert os.listdir(folder) == []
"""


def test_errors_say_what_is_wrong_and_leave_nothing(python, tmp_path):
    run(python, ERRORS, tmp_path)


FROZEN = """
import gc, sys, heaplake_dump
class Early: pass
early = Early()
early.kept = ["frozen item"]
gc.freeze()
heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
assert gc.get_freeze_count() > 0
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_frozen_objects_are_dumped(python, tmp_path, way):
    run(python, FROZEN, tmp_path / "dump.gz", way)
    heap = Heap(tmp_path / "dump.gz")
    assert len(heap.all("Early")) == 1 and heap.one("str", value="frozen item")


AT_END = """
import atexit, sys, heaplake_dump
class Session:
    def close(self): pass
for _ in range(int(sys.argv[3])):
    atexit.register(Session().close)
heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
import os
os._exit(0)
"""


@pytest.mark.parametrize("n", [33, 500, 5000])
def test_what_is_called_at_the_end_is_known_however_much_it_is(python, tmp_path, n):
    """The table of it does not begin where a page does."""
    if not is_at_least(python, 10):
        pytest.skip("before 3.10 the module keeps the functions")
    run(python, AT_END, tmp_path / "dump.gz", "fork", n)
    heap = Heap(tmp_path / "dump.gz")
    sessions = {session["address"] for session in heap.all("Session")}
    methods = [method for method in heap.all("method") if not sessions.isdisjoint(method["refs"])]
    assert [method.get("root") for method in methods] == ["atexit"] * n


UNFINISHED = """
import sys, threading, heaplake_dump
import xml.etree.ElementTree as ElementTree
parser = ElementTree.XMLPullParser(["start"])
parser.feed("<feed><item>")
asked, go_on = threading.Event(), threading.Event()
class Part:
    pass
def parts():
    yield Part()
    yield [Part()]
    asked.set()
    go_on.wait()
thread = threading.Thread(target=lambda: tuple(parts()))
thread.start()
asked.wait()
try:
    heaplake_dump.dump(sys.argv[1], fork=sys.argv[2] == "fork")
finally:
    go_on.set()
thread.join()
parser.feed("</item></feed>")
assert len(list(parser.read_events())) == 2
"""


@pytest.mark.parametrize("way", ["fork", "here"])
def test_lists_and_tuples_that_c_code_still_fills_are_dumped(python, tmp_path, way):
    """A tuple that is made from a generator, which waits, and the stack of a parser of XML have places without an object."""
    run(python, UNFINISHED, tmp_path / "dump.gz", way)
    heap = Heap(tmp_path / "dump.gz")
    assert len(heap.all("Part")) == 2
    first = next(part for part in heap.all("Part") if not any(part["address"] in one["refs"] for one in heap.all("list")))
    holder = next(one for one in heap.all("tuple") if first["address"] in one["refs"])
    assert len(holder["refs"]) == 2 < holder["len"] and "labels" not in holder
    stack = next(one for one in heap.all("list") if one["len"] == 20 and len(one["refs"]) < 20)
    assert "labels" not in stack and heap.all("XMLParser")


NUMPY = """
import sys, heaplake_dump
try:
    import numpy
except ImportError:
    print("no numpy")
    raise SystemExit
owner = numpy.arange(100_000, dtype="int64")
part = owner[10:20]
objects = numpy.array(["in an array", None, [1]], dtype=object)
heaplake_dump.dump(sys.argv[1])
"""


def test_arrays_lead_to_the_owner_of_their_memory(python, tmp_path):
    if run(python, NUMPY, tmp_path / "dump.gz").startswith("no"):
        pytest.skip(f"{python} has no numpy")
    heap = Heap(tmp_path / "dump.gz")
    owner, part = heap.main("owner"), heap.main("part")
    assert owner["size"] >= 800_000 > 1000 > part["size"]
    assert heap.follow(part, ".base") == owner
    assert heap.follow(heap.main("objects"), "[0]")["value"] == "in an array"
