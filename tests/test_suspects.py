"""The verdict: each idiom and each signal alone on a heap of a few objects, at three moments of one process."""

import json
import os
import pathlib
import random
import re
import signal
import time

import pytest

from lake import Lake

GOLDEN = pathlib.Path(__file__).parent / "golden" / "suspects"

ROOT = "sys.modules"


class Heap:
    """Objects by a key that is the same at every moment, so that an object stays where it is."""

    def __init__(self, addresses, rename=lambda name: name):
        self.addresses = addresses
        self.rename = rename
        self.lines = {}
        self.shop = self.module("shop")
        # What every process has: classes, a few functions, texts.
        for i in range(40):
            self.set("shop", f"constant_{i}", self.obj(f"text {i}", "str", 60, value=f"text {i}"))

    def address(self, key):
        return self.addresses.setdefault(key, 0x7F0000000000 + 64 * len(self.addresses))

    def obj(self, key, type_name, size=64, refs=(), name=None, value=None, root=None, length=None, weak=(), refcount=None):
        """An object, whose references are pairs of a label and an address; `weak` are positions of those that keep nothing alive."""
        line = {"address": self.address(key), "type": self.rename(type_name), "size": size}
        line |= {k: v for k, v in (("name", name), ("len", length), ("value", value)) if v is not None}
        line |= {"refs": [address for _, address in refs], "labels": [label for label, _ in refs]}
        line |= {k: v for k, v in (("weak", list(weak)), ("root", root), ("refcount", refcount)) if v}
        self.lines[line["address"]] = line
        return line["address"]

    def module(self, name):
        self.obj(f"dict of {name}", "dict", 232)
        return self.obj(name, "module", 72, [(".__dict__", self.address(f"dict of {name}"))], name=name, root=ROOT)

    def add(self, owner, label, address):
        line = self.lines[owner]
        line["refs"].append(address)
        line["labels"].append(label)

    def set(self, module, name, address):
        """A global of a module."""
        self.add(self.address(f"dict of {module}"), f"['{name}']", address)
        return address

    def items(self, key, n, type_name="Order", size=100, each=None, first=0):
        """Some objects of the program, with a text of their own."""
        each = each or (lambda i: [(".id", self.obj(f"{key} text {i}", "str", 50))])
        return [self.obj(f"{key} {i}", type_name, size, each(i)) for i in range(first, first + n)]

    def container(self, key, type_name, items, size=None, label=lambda i: f"[{i}]"):
        refs = [(label(i), item) for i, item in enumerate(items)]
        return self.obj(key, type_name, size or 56 + 8 * len(items), refs, length=len(items))

    #: Version of the interpreter.
    python = "3.12.1"

    #: Whether and when the collector of the program runs; None: the capture does not say.
    collector = None
    #: Bytes of the process that no object has and that lie in memory of C code; None: the capture does not say.
    native = None

    def write(self, path, minute, pid=4711):
        second = round(60 * minute)
        time = f"2026-03-01T{12 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000000Z"
        head = {"format": 1, "time": time, "pid": pid, "host": "web3", "python": self.python}
        head |= {"command": ["python", "shop.py"], "rss": 50_000_000, "values": "short", "redact": False, "fork": True}
        head |= {"collector": self.collector} if self.collector else {}
        if self.native is not None:
            code = 10 << 20
            head["rss"] = code + self.native + sum(line["size"] for line in self.lines.values())
            head["memory"] = {"anonymous": head["rss"] - code, "file": code, "shared": 0, "code": code}
        lines = [{"address": 0, "type": "heaplake capture", "size": 0, "capture": head, "refs": []}, *self.lines.values()]
        lines.append({"address": 1, "type": "heaplake capture", "size": 0, "end": {"objects": len(self.lines)}, "refs": []})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path


def key_label(i):
    return f"['key {i}']"


def module_list(h, n):
    return h.set("shop", "ORDERS", h.container("orders", "list", h.items("order", n)))


def module_deque(h, n):
    return h.set("shop", "recent", h.container("recent", "deque", h.items("order", n)))


def cache(h, n):
    return h.set("shop", "price_cache", h.container("cache", "dict", h.items("price", n, "Price"), label=key_label))


def attribute(h, n):
    found = h.container("rows", "list", h.items("row", n, "Row"))
    h.set("shop", "ledger", h.obj("ledger", "Ledger", 64, [(".rows", found)]))
    return found


def default(h, n):
    found = h.container("seen", "list", h.items("order", n))
    defaults = h.obj("defaults", "tuple", 48, [("[0]", found)])
    h.set("shop", "note", h.obj("note", "function", 136, [(".__defaults__", defaults)], name="note"))
    return found


def lru_cache(h, n):
    found = h.container("entries", "dict", h.items("result", n, "Result"), label=key_label)
    h.set("shop", "tax", h.obj("tax", "_lru_cache_wrapper", 200, [(None, found)]))
    return found


def lru_cache_method(h, n):
    found = h.container("entries", "dict", h.items("result", n, "Result"), label=key_label)
    wrapper = h.obj("total", "_lru_cache_wrapper", 200, [(None, found)])
    of_class = h.obj("dict of Cart", "dict", 232, [("['total']", wrapper)])
    h.set("shop", "Cart", h.obj("Cart", "type", 1064, [(".__dict__", of_class)], name="Cart"))
    return found


def listeners(h, n):
    def bound(i):
        return [(".__self__", h.obj(f"view {i}", "View", 500))]

    found = h.container("listeners", "list", h.items("method", n, "method", 64, bound))
    h.set("shop", "order_paid", h.obj("order_paid", "Signal", 48, [(".listeners", found)]))
    return found


def partials(h, n):
    found = h.container("later", "list", h.items("later", n, "partial", 80, lambda i: [(".args", h.obj(f"args {i}", "Job", 300))]))
    return h.set("shop", "todo", found)


def errors(h, n):
    def traceback(i):
        frame = h.obj(f"frame {i}", "frame", 450, [("order", h.obj(f"bag {i}", "Bag", 900))], name="pay")
        return [(".__traceback__", h.obj(f"traceback {i}", "traceback", 64, [(".tb_frame", frame)]))]

    return h.set("shop", "failed", h.container("failed", "list", h.items("error", n, "PaymentError", 72, traceback)))


def generators(h, n):
    found = h.container("pages", "list", h.items("pager", n, "generator", 200, lambda i: [("page", h.obj(f"page {i}", "str", 2000))]))
    return h.set("shop", "pagers", found)


def tasks(h, n):
    found = h.container("waiting", "set", h.items("task", n, "Task", 150), label=lambda i: None)
    return h.set("shop", "waiting", found)


def queue(h, n):
    found = h.container("inner", "deque", h.items("job", n, "Job"))
    h.set("shop", "jobs", h.obj("jobs", "Queue", 48, [(".queue", found)]))
    return found


def chain(h, n):
    for i in range(n):
        h.obj(f"link {i}", "Node", 500, [(".before", h.address(f"link {i - 1}"))] if i else [])
    found = h.obj("history", "History", 48, [(".last", h.address(f"link {n - 1}"))])
    return h.set("shop", "history", found)


def siblings(h, n):
    users = []
    for user in range(30):
        visits = h.container(f"visits {user}", "list", h.items(f"visit {user}", n // 10, "Visit"))
        users.append(h.obj(f"user {user}", "User", 64, [(".visits", visits)]))
    return h.set("shop", "users", h.container("users", "dict", users, label=key_label))


class Either(int):
    """One of two holders of the same objects; the other is as right."""

    other = None

    def __eq__(self, holder):
        return holder in (int(self), self.other)

    __hash__ = int.__hash__


def two_holders(h, n):
    """A list and an index of the same objects: neither alone keeps them."""
    items = h.items("order", n)
    holder = Either(h.set("shop", "ORDERS", h.container("orders", "list", items)))
    holder.other = h.set("shop", "by_id", h.container("by id", "dict", items, label=key_label))
    return holder


def classes(h, n):
    found = h.container("forms", "list", h.items("form", n, "type", 1064))
    return h.set("shop", "forms", found)


#: Name of the idiom, and what builds a heap of it and gives the holder.
LEAKS = {
    "growing_container": module_list,
    "growing_container deque": module_deque,
    "growing_container attribute": attribute,
    "growing_container siblings": siblings,
    "growing_container two": two_holders,
    "unbounded_cache": cache,
    "mutable_default": default,
    "lru_cache": lru_cache,
    "lru_cache_method": lru_cache_method,
    "listener_registry": listeners,
    "partial": partials,
    "stored_exception": errors,
    "suspended_generator": generators,
    "pending_task": tasks,
    "queue_without_consumer": queue,
    "chain": chain,
    "class_per_request": classes,
}


def load(lake, build, counts, write_with=None, rename=lambda name: name, addresses=None, minutes=None):
    """The dumps d1, d2, ... of a program at several moments, by default a minute apart; the addresses of the holder at the last."""
    addresses = {} if addresses is None else addresses
    for moment, n in enumerate(counts, 1):
        if write_with == "shuffled":
            names = list(addresses)
            random.Random(moment).shuffle(names)
            addresses = {name: 0x7E0000000000 + 64 * i for i, name in enumerate(names)}
        heap = Heap(addresses, rename)
        found = build(heap, n)
        minute = minutes[moment - 1] if minutes else moment
        lake.load(heap.write(lake.path.parent / f"{moment}.dump", minute), f"d{moment}")
    return found


def ask(lake, *args):
    return json.loads(lake.ok("suspects", "--format", "json", *args))


@pytest.mark.parametrize("name", LEAKS)
def test_an_idiom(lake, name):
    holder = load(lake, LEAKS[name], [100, 200, 300])
    first, *others = ask(lake)
    assert first["holder"] == holder, first
    assert first["idiom"] == name.split()[0], first
    assert first["confidence"] >= 0.8, first
    assert first["dumps"] == 3 and first["shape"] == "growing"
    assert all(other["confidence"] < 0.5 for other in others), others


@pytest.mark.parametrize("name", LEAKS)
def test_two_dumps(lake, name):
    holder = load(lake, LEAKS[name], [100, 200])
    first = ask(lake)[0]
    assert (first["holder"], first["dumps"]) == (holder, 2)
    assert first["confidence"] >= 0.5


@pytest.mark.parametrize("name", LEAKS)
def test_one_dump_names_the_holder_and_is_not_sure(lake, name):
    holder = load(lake, LEAKS[name], [300])
    found = ask(lake)
    assert holder in [suspect["holder"] for suspect in found[:3]], found
    assert found[0]["count_growth"] is None and found[0]["per_hour"] is None


@pytest.mark.parametrize("name", ["growing_container", "chain", "growing_container siblings", "lru_cache"])
def test_what_a_name_adds_is_not_the_find(lake, name):
    """With other names for all types, at other addresses, the holder is the same."""
    names = {}
    rename = lambda name: name if name == "module" else names.setdefault(name, f"T{len(names)}")
    addresses = {f"gap {i}": 0x1000 + 64 * i for i in range(100)}
    holder = load(lake, LEAKS[name], [100, 200, 300], rename=rename, addresses=addresses)
    assert ask(lake)[0]["holder"] == holder


def test_a_module_of_many_functions_is_on_the_way(lake):
    """The dictionary of a module has every function of it as a parent, of which a way looks at some only."""

    def build(h, n):
        globals_of = lambda i: [(".__globals__", h.address("dict of shop"))]
        found = h.container("listeners", "list", h.items("thanks", n, "function", 136, globals_of))
        h.set("shop", "order_paid", h.obj("order_paid", "Signal", 48, [(".listeners", found)]))
        return found

    # The functions come before the module in the order of addresses.
    addresses = {f"thanks {i}": 0x1000 + 64 * i for i in range(900)}
    holder = load(lake, build, [300, 600, 900], addresses=addresses)
    first = ask(lake)[0]
    assert (first["holder"], first["held_by"], first["idiom"]) == (holder, "shop.order_paid.listeners", "listener_registry")


def test_moved_objects_are_found_by_their_paths(lake):
    """As two processes of one service: nothing is where it was."""
    holder = load(lake, module_list, [100, 200, 300], write_with="shuffled")
    first = ask(lake, "d1", "d2", "d3")[0]
    assert first["holder"] == holder and first["confidence"] >= 0.5


def chain_in_freed_memory(h, n, is_kept=True):
    """A chain of objects and dictionaries; the dictionaries lie where those of other objects were, which are freed and used again."""
    for i in range(n):
        before = [("['before']", h.address(f"link {i - 1}"))] if i else []
        h.obj(f"link {i}", "Node", 500, [(".__dict__", h.obj(f"dict {i}", "dict", 100, before))])
    boxes = [h.obj(f"box {i}", "Box", 64, [(".__dict__", h.obj(f"dict {i}", "dict", 64))]) for i in range(n, 900)]
    h.set("shop", "boxes", h.container("boxes", "list", boxes))
    if is_kept:
        # The objects that had the dictionaries are still there, without them.
        h.set("shop", "empty", h.container("empty", "tuple", [h.obj(f"box {i}", "Box", 64) for i in range(n)]))
    return h.set("shop", "history", h.obj("history", "History", 48, [(".last", h.address(f"link {n - 1}"))]))


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("counts", [[300, 600, 900], [300, 900]])
def test_a_chain_is_found_where_its_links_lie_in_freed_memory(lake, counts, is_kept):
    """Each link seems to be an old object below which there is a little more than before."""
    holder = load(lake, lambda h, n: chain_in_freed_memory(h, n, is_kept), counts)
    first, *others = ask(lake)
    # What the empty boxes are in grows as well.
    others = others[is_kept:]
    assert (first["holder"], first["idiom"]) == (holder, "chain"), first
    assert first["confidence"] >= (0.8 if len(counts) > 2 else 0.5), first
    assert all(other["confidence"] < 0.5 for other in others), others


def chain_of_two(h, n):
    """A chain that grows at its head, which two objects refer to, so that nothing old dominates what is new."""
    history = chain(h, n)
    head = h.address(f"link {n - 1}")
    h.module("web")
    h.set("web", "newest", h.obj("newest", "Newest", 48, [(".link", head)]))
    return {history, head, h.address("newest")}


@pytest.mark.parametrize("counts", [[100, 200, 300], [100, 300]])
def test_a_chain_is_found_whose_head_several_hold(lake, counts):
    holders = load(lake, chain_of_two, counts)
    first, *others = ask(lake)
    assert first["holder"] in holders and first["idiom"] == "chain", first
    assert first["count_growth"] >= 200 and first["confidence"] >= (0.8 if len(counts) > 2 else 0.5), first
    assert all(other["confidence"] < 0.5 for other in others), others


def new_container_of_two(h, n):
    """A container that is made when the first item comes, and which two objects hold."""
    if not n:
        h.obj("first", "Front", 48), h.obj("second", "Back", 48)
    else:
        found = h.container("jobs", "list", h.items("job", n, "Job"))
        h.obj("first", "Front", 48, [(".jobs", found)]), h.obj("second", "Back", 48, [(".jobs", found)])
    h.set("shop", "front", h.address("first"))
    h.module("web")
    h.set("web", "back", h.address("second"))
    return h.address("jobs")


@pytest.mark.parametrize("counts", [[0, 200, 400, 600], [0, 400]])
def test_a_new_container_is_found_that_several_hold(lake, counts):
    holder = load(lake, new_container_of_two, counts)
    first = ask(lake)[0]
    assert first["holder"] == holder, first
    assert first["confidence"] >= (0.8 if len(counts) > 2 else 0.3), first


# What is proved ----------------------------------------------------------------------------------------------------------


def stuck_tasks(h, n, is_set_elsewhere=False):
    """Tasks in a set, each waiting for a future; the future calls its task when it is done."""
    tasks, futures = [], []
    for i in range(n):
        wakeup = h.obj(f"wakeup {i}", "builtin_function_or_method", 72, [(".__self__", h.address(f"task {i}"))])
        futures.append(h.obj(f"future {i}", "_asyncio.Future", 120, [(None, wakeup)]))
        coroutine = h.obj(f"coroutine {i}", "coroutine", 200, [("order", h.obj(f"order {i}", "Order", 700))], name="ask")
        tasks.append(h.obj(f"task {i}", "_asyncio.Task", 180, [(None, coroutine), (None, futures[i])]))
    if is_set_elsewhere:
        h.set("shop", "answers", h.container("answers", "dict", futures, label=key_label))
    return h.set("shop", "background", h.container("background", "set", tasks, label=lambda i: None))


def tasks_with_a_timer(h, n):
    """The same, with an object that cancels each after a while."""
    found = stuck_tasks(h, n)
    timers = [h.obj(f"timeout {i}", "Timeout", 64, [("._task", h.address(f"task {i}"))]) for i in range(n)]
    h.set("shop", "scheduled", h.container("scheduled", "list", timers))
    return found


class Any(list):
    """One of several holders is right."""

    def __eq__(self, holder):
        return holder in list(self)


def waiting_threads(h, n, timeout="NoneType", is_notified=False):
    """Threads that wait on a condition of their own."""
    h.module("threading")
    nothing = h.set("shop", "timeout", h.obj("timeout", timeout, 16))
    leave = h.set("threading", "leave", h.obj("leave", "function", 136, name="__exit__"))
    threads, conditions = [], []
    for i in range(n):
        conditions.append(h.obj(f"condition {i}", "threading.Condition", 48))
        # On the stack of who is inside of a `with` statement.
        h.obj(f"exit {i}", "method", 64, [(".__func__", leave), (".__self__", conditions[i])], refcount=1)
        bag = h.obj(f"bag {i}", "Bag", 900)
        thread = h.obj(f"thread {i}", "threading.Thread", 60, [("._target", conditions[i])])
        threads.append(thread)
        # On the stack of who called what runs.
        talk = h.obj(f"talk {i}", "function", 136, name="talk")
        h.obj(f"call {i}", "method", 64, [(".__func__", talk), (".__self__", conditions[i])], refcount=1)
        frames = [("_bootstrap", [("self", thread)]), ("talk", [("bag", bag), ("self", conditions[i])]), ("wait", [("self", conditions[i]), ("timeout", nothing)])]
        for depth, (name, variables) in enumerate(frames):
            back = [(".f_back", h.address(f"frame {i} {depth - 1}"))] if depth else []
            h.obj(f"frame {i} {depth}", "frame", 400, back + variables, name=name, root=f"thread T-{i}")
    h.set("threading", "_active", h.container("active", "dict", threads, label=lambda i: f"[{1000 + i}]"))
    if is_notified:
        h.set("shop", "conditions", h.container("conditions", "list", conditions))
    return Any(threads)


def threads_before_311(h, n, n_calls=2):
    """The same where what a method is called on is on the stack of the caller, which no object shows; a thread has two calls of its own."""
    h.python = "3.10.13"
    found = waiting_threads(h, n)
    for i in range(n):
        thread, condition = h.lines[h.address(f"thread {i}")], h.lines[h.address(f"condition {i}")]
        h.obj(f"inner {i}", "frame", 400, [(".f_back", h.address(f"frame {i} 0")), ("self", thread["address"])], name="_bootstrap_inner", root=f"thread T-{i}")
        h.obj(f"run {i}", "frame", 400, [(".f_back", h.address(f"inner {i}")), ("self", thread["address"])], name="run", root=f"thread T-{i}")
        talk = h.lines[h.address(f"frame {i} 1")]
        talk["refs"][talk["labels"].index(".f_back")] = h.address(f"run {i}")
        # What objects explain: of a thread the three frames and the table; of a condition two methods, the target and two frames.
        thread["refcount"] = 4 + n_calls
        condition["refcount"] = 5 + 2
    return found


def weak_keys(h, n, is_kept=False):
    """A WeakKeyDictionary whose values lead to their keys."""
    refs, keys = [], []
    for i in range(n):
        keys.append(h.obj(f"request {i}", "Request", 800))
        refs.append(("<key>", h.obj(f"reference {i}", "weakref.ReferenceType", 72, [("()", keys[i])], weak=[0])))
        refs.append(("[<weakref.ReferenceType>]", h.obj(f"extra {i}", "Extra", 64, [] if is_kept else [(".request", keys[i])])))
    if is_kept:
        h.set("shop", "requests", h.container("requests", "list", keys))
    data = h.obj("data", "dict", 8 * n, refs, length=n)
    h.set("shop", "extras", h.obj("extras", "weakref.WeakKeyDictionary", 48, [(".data", data)]))
    return data


def dead_owners(h, n, is_kept=False):
    """Bound methods in a registry, which alone keeps their objects."""
    update = h.obj("update", "function", 136, name="update")
    views = [h.obj(f"view {i}", "View", 500) for i in range(n)]
    methods = [h.obj(f"method {i}", "method", 64, [(".__func__", update), (".__self__", view)]) for i, view in enumerate(views)]
    if is_kept:
        h.set("shop", "views", h.container("views", "tuple", views))
    found = h.container("listeners", "list", methods)
    h.set("shop", "order_paid", h.obj("order_paid", "Signal", 48, [(".listeners", found)]))
    return found


def cycles(h, n, collector={"enabled": False, "threshold": 700}):
    """Pairs that refer to each other, to which nothing refers."""
    h.collector = collector
    return Any(
        address
        for i in range(n)
        for address in (
            h.obj(f"parent {i}", "Parent", 400, [(".child", h.address(f"child {i}"))], refcount=1),
            h.obj(f"child {i}", "Child", 100, [(".parent", h.address(f"parent {i}"))], refcount=1),
        )
    )


def from_c(h, n, is_held=False):
    """Objects with one reference that no object has."""
    tokens = [h.obj(f"token {i}", "Token", 300, refcount=2 if is_held else 1) for i in range(n)]
    if is_held:
        h.set("shop", "tokens", h.container("tokens", "tuple", tokens))
    return Any(tokens)


#: What one dump proves, with its idiom.
PROVED = {
    "tasks": (stuck_tasks, "pending_task"),
    "threads": (waiting_threads, "endless_thread"),
    "threads before 3.11": (threads_before_311, "endless_thread"),
    "weak keys": (weak_keys, "weak_value_holds_key"),
    "listeners": (dead_owners, "listener_registry"),
    "cycles": (cycles, "garbage_cycle"),
    "references from C": (from_c, "external_reference"),
}

#: The same shapes where something can still go on, or is held by what is alive.
NOT_PROVED = {
    "futures that something can set": lambda h, n: stuck_tasks(h, n, is_set_elsewhere=True),
    "tasks that something will cancel": tasks_with_a_timer,
    "threads that wait for a while": lambda h, n: waiting_threads(h, n, timeout="float"),
    "threads that C code holds as well": lambda h, n: threads_before_311(h, n, n_calls=3),
    "threads that something can notify": lambda h, n: waiting_threads(h, n, is_notified=True),
    "keys that are alive": lambda h, n: weak_keys(h, n, is_kept=True),
    "listeners that are alive": lambda h, n: dead_owners(h, n, is_kept=True),
    "cycles before the collector comes": lambda h, n: cycles(h, n, {"enabled": True, "threshold": 700}),
    "objects that C and the program hold": lambda h, n: from_c(h, n, is_held=True),
}


@pytest.mark.parametrize("counts", [[40], [40, 60, 80]], ids=["one dump", "three dumps"])
@pytest.mark.parametrize("name", PROVED)
def test_what_is_proved_is_sure(lake, name, counts):
    build, idiom = PROVED[name]
    holder = load(lake, build, counts)
    first = ask(lake)[0]
    assert holder == first["holder"], first
    assert (first["confidence"], first["basis"], first["idiom"]) == (1.0, "proved", idiom), first
    assert first["evidence"][0].startswith("proved: "), first
    assert "100 %, proved, " in lake.ok("suspects", "--format", "table")


@pytest.mark.parametrize("name", NOT_PROVED)
def test_what_can_go_on_is_not_proved(lake, name):
    load(lake, NOT_PROVED[name], [40])
    found = ask(lake)
    assert {suspect["basis"] for suspect in found} <= {"judged"}, found
    assert all(suspect["confidence"] < 1 for suspect in found), found


def test_what_threads_keep_is_counted(lake):
    load(lake, waiting_threads, [40, 60])
    first = ask(lake)[0]
    # Thread, condition, the end of its `with` statement, the call of a method with its function, bag and three frames of each.
    assert (first["count"], first["count_growth"]) == (60, 20)
    assert first["retained"] == 60 * (60 + 48 + 64 + 64 + 136 + 900 + 3 * 400)
    assert first["retained_growth"] == 20 * (60 + 48 + 64 + 64 + 136 + 900 + 3 * 400)


def test_what_threads_keep_is_counted_where_stacks_hold_it_too(lake):
    load(lake, threads_before_311, [40, 60])
    first = ask(lake)[0]
    assert (first["count"], first["count_growth"]) == (60, 20)
    assert first["retained"] == 60 * (60 + 48 + 64 + 64 + 136 + 900 + 5 * 400)


def test_garbage_that_the_program_collects_itself_is_not_proved(lake):
    load(lake, cycles, [80, 40, 60])
    assert all(suspect["confidence"] < 0.5 for suspect in ask(lake)), ask(lake)


@pytest.mark.parametrize("counts", [[40, 60, 80], [200, 400, 600]], ids=["young", "a quarter of all"])
def test_garbage_that_the_collector_frees_soon_is_not_suspected(lake, counts):
    """Young garbage goes with the next collection, what is older when there are a quarter more objects."""

    def build(h, n):
        h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 4000)))
        return cycles(h, n, {"enabled": True, "threshold": 200})

    load(lake, build, counts)
    assert all(suspect["confidence"] < 0.5 for suspect in ask(lake)), ask(lake)


def parsed(h, n, more=()):
    """A list that C code holds, with the names and constants of a program, as text and as bytes."""
    texts = [h.obj(f"text {i}", "str", 60, value=f"name{i}") for i in range(n)]
    tokens = [h.obj(f"bytes {i}", "bytes", 50, value=f"name{i}") for i in range(n)]
    numbers = [h.obj(f"number {i}", "int", 28, value=str(i)) for i in range(20)]
    items = [*texts, *tokens, *numbers, *(h.obj(f"more {name}", name, 60) for name in more)]
    return h.obj("parsed", "list", 56 + 8 * len(items), [(f"[{i}]", item) for i, item in enumerate(items)], refcount=1)


@pytest.mark.parametrize(["more", "is_source"], [((), True), (("Order",), False)])
def test_what_the_parser_keeps_of_the_main_program_is_not_suspected(lake, more, is_source):
    """CPython keeps the constants of the main program in a list of the parser while that program runs."""
    holder = load(lake, lambda h, n: parsed(h, n, more), [900])
    found = [suspect["confidence"] for suspect in ask(lake) if suspect["holder"] == holder]
    assert (max(found, default=0) < 0.03) == is_source, found


#: What grows, or looks odd, and is no leak: numbers of objects at three moments, and what builds them.
def bounded(h, n):
    entries = h.container("entries", "dict", h.items("entry", n), label=key_label)
    limit = h.obj("limit", "int", 28, value="1000")
    cache = h.obj("cache", "BoundedCache", 64, [(".entries", entries), (".max_entries", limit)])
    return h.set("shop", "cache", cache)


def ring(h, n, most="400"):
    """A deque that still fills, whose bound the dump says."""
    items = h.items("order", n)
    refs = [(f"[{i}]", item) for i, item in enumerate(items)]
    return h.set("shop", "recent", h.obj("recent", "collections.deque", 56 + 8 * n, refs, length=n, value=f"maxlen={most}"))


def ordered(h, n):
    """A cache that still fills, in a dump that names no attributes; the number beside it is its bound."""
    found = h.container("pages", "collections.OrderedDict", h.items("page", n, "Page"), size=100 * n, label=lambda i: None)
    most = h.obj("most", "int", 28, value="320")
    h.set("shop", "previews", h.obj("previews", "Previews", 64, [(None, found), (None, most)]))
    return found


def rings(h, n):
    """The same for each of some objects."""
    samples = []
    for i in range(12):
        items = h.items(f"value {i}", n, "Value")
        refs = [(f"[{k}]", item) for k, item in enumerate(items)]
        last = h.obj(f"last {i}", "collections.deque", 56 + 8 * n, refs, length=n, value="maxlen=200")
        samples.append(h.obj(f"sample {i}", "Sample", 64, [(".last", last)]))
    return h.set("shop", "metrics", h.container("metrics", "dict", samples, label=key_label))


def lru_of(most):
    """An lru_cache that says its bound, of which the dump has no function that could."""

    def build(h, n):
        found = h.container("entries", "dict", h.items("result", n, "Result"), label=key_label)
        h.set("shop", "tax", h.obj("tax", "functools._lru_cache_wrapper", 200, [(None, found)], value=f"maxsize={most}"))
        return found

    return build


def numbered(h, n, beside=(), of_class=(), of_module=()):
    """A list of an object, and numbers: its attributes, those of its class, globals of its module."""

    def number(name, value):
        return h.obj(f"number {name}", "int", 28, value=str(value))

    jobs = h.container("jobs", "list", h.items("job", n, "Job"))
    namespace = h.obj("namespace", "dict", 232, [(f"['{name}']", number(name, value)) for name, value in of_class])
    made = h.obj("Board", "type", 1064, [(".__dict__", namespace)], name="Board")
    attributes = [(f".{name}", number(name, value)) for name, value in beside]
    board = h.obj("board", "Board", 64, [(".__class__", made), (".jobs", jobs), *attributes])
    for name, value in of_module:
        h.set("shop", name, number(name, value))
    for i in range(80):
        h.set("shop", f"helper_{i}", h.obj(f"helper {i}", "function", 136, name=f"helper_{i}"))
    h.set("shop", "board", board)
    return jobs


def of_the_class(h, n):
    return numbered(h, n, of_class=[("MAX_ENTRIES", 2000), ("NAME", 7)])


def of_the_module(h, n):
    return numbered(h, n, of_module=[("MAX_JOBS", 2000)])


def subclasses_of_many(h, n):
    """What the interpreter keeps of the classes of modules that are imported late: a dictionary for each class that has subclasses."""
    for i in range(n):
        made = h.set("shop", f"late_{i}", h.obj(f"late {i}", "type", 1064, name=f"Late{i}"))
        weak = h.obj(f"weak of late {i}", "weakref.ReferenceType", 72, [("()", made)], weak=[0])
        key = h.obj(f"key of late {i}", "int", 32, value=str(made))
        h.obj(f"subclasses {i}", "dict", 232, [("<key>", key), (f"[{made}]", weak)], length=1, refcount=1)


def imports(h, n):
    for i in range(n // 10):
        name = f"late_{i}"
        module = h.module(name)
        for k in range(5):
            code = h.obj(f"code {i} {k}", "code", 400)
            h.set(name, f"f{k}", h.obj(f"f {i} {k}", "function", 136, [(".__code__", code)], name=f"f{k}"))
        h.add(h.address("modules"), f"['{name}']", module) if h.address("modules") in h.lines else None


def with_modules(h, n):
    h.module("sys")
    h.set("sys", "modules", h.obj("modules", "dict", 2000, root="interpreter"))
    imports(h, n)


def expiring(h, n):
    """Sessions that end, of which there are more and more for now: each is where another was."""
    sessions = h.items("session", n, "Session", 200)
    found = h.set("shop", "sessions", h.container("sessions", "dict", sessions, label=lambda i: f"['{n}-{i}']"))
    for i in range(n):
        h.add(found, "<key>", h.obj(f"key {i}", "str", 60, value=f"{n}-{i}"))


def batches(h, n):
    """A list that is emptied and filled again; only texts tell one order from the one that was where it is."""
    items = h.items("order", n, "Order", 200, lambda i: [(".id", h.obj(f"id {i}", "str", 60, value=f"order {n}-{i}"))])
    h.set("shop", "batch", h.container("batch", "list", items))


CONTROLS = {
    "what is in it ends": (expiring, [100, 200, 300]),
    "it is filled again each time": (batches, [100, 200, 300]),
    "it stopped": (module_list, [100, 300, 300, 300]),
    "it comes and goes": (module_list, [300, 100, 250, 120]),
    "it shrinks": (module_list, [300, 200, 100]),
    "it stays": (module_list, [300, 300, 300]),
    "it has a bound": (bounded, [100, 200, 300]),
    "it fills up to a bound for long": (bounded, [100, 200, 300, 400, 500]),
    "it is a deque with a bound": (ring, [60, 120, 180, 240, 300]),
    "it fills up to a number beside it": (ordered, [60, 120, 180, 240, 300]),
    "they are deques with a bound": (rings, [30, 60, 90, 120, 150]),
    "it is an lru_cache with a bound": (lru_of(400), [60, 120, 180, 240, 300]),
    "its class has a bound": (of_the_class, [100, 200, 300]),
    "its module has a bound of that name": (of_the_module, [100, 200, 300]),
    "late imports": (with_modules, [100, 200, 300]),
    "nothing": (lambda h, n: None, [1, 2, 3]),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_no_suspect_is_an_answer(lake, name):
    build, counts = CONTROLS[name]
    load(lake, build, counts)
    assert [suspect for suspect in ask(lake) if suspect["confidence"] >= 0.5] == []
    text = lake.ok("suspects", "--format", "table")
    assert "No suspect" in text and "Surer with" in text
    check = lake.run("check", "no_suspects")
    assert check.returncode == 0, check.stdout


@pytest.mark.parametrize(["build", "fact"], [
    (lambda h, n: ring(h, n, 1_000_000), "its maxlen, 1,000,000, is so high that it is none"),
    (lru_of(None), "its maxsize is None: it has no bound"),
])
def test_a_bound_that_nothing_reaches_is_none(lake, build, fact):
    holder = load(lake, build, [100, 200, 300])
    first = ask(lake)[0]
    assert first["holder"] == holder and first["confidence"] >= 0.8, first
    assert fact in first["evidence"], first


@pytest.mark.parametrize("numbers", [
    {"beside": [("max_line_length", 8190)]},
    {"beside": [("maxAgeSeconds", 3600), ("keep_alive_timeout", 350)]},
    {"of_class": [("MAX_RETRIES", 400)]},
    {"of_module": [("MAX_CONNECTIONS", 2000), ("JOBS", 2000)]},
])
def test_a_number_of_something_else_is_no_bound(lake, numbers):
    """Of another unit, or of something else in the module."""
    holder = load(lake, lambda h, n: numbered(h, n, **numbers), [100, 200, 300])
    first = ask(lake)[0]
    assert first["holder"] == holder and first["confidence"] >= 0.9, first


@pytest.mark.parametrize("counts", [[100, 200], [100, 200, 300]])
@pytest.mark.parametrize(["type_name", "place"], [("tuple", "global"), ("list", "attribute"), ("dict", "attribute")])
def test_a_container_that_is_made_anew_each_time_has_grown(lake, type_name, place, counts):
    """`routes += (route,)`: of an earlier dump the container that was in its place counts. Where it was, another is now."""

    def rebuilt(h, n):
        h.set("shop", "catalogue", h.container("catalogue", "list", h.items("product", 600, "Product")))
        items = h.items("route", n, "Route")
        label = key_label if type_name == "dict" else lambda i: f"[{i}]"
        routes = h.container(f"routes {n}", type_name, items, label=label)
        if n > counts[0]:
            h.set("shop", "names", h.container(f"routes {counts[0]}", type_name, h.items("name", 3, "str", 50, lambda i: ())))
        owner = h.obj("router", "Router", 64, [(".routes", routes)] if place == "attribute" else [])
        h.set("shop", "router", owner)
        return routes if place == "attribute" else h.set("shop", "routes", routes)

    holder = load(lake, rebuilt, counts)
    first = ask(lake)[0]
    assert (first["holder"], first["count"], first["count_growth"]) == (holder, counts[-1], counts[-1] - counts[0]), first
    assert first["confidence"] >= 0.9, first
    assert 0.9 < first["retained_growth"] / (first["retained"] * (1 - counts[0] / counts[-1])) < 1.1, first


def in_places(h, n):
    """A list of 1,000 places that is there from the start: those that have nothing yet have None."""
    items = h.items("record", n, "Record", 200)
    return h.set("shop", "flight", h.obj("flight", "list", 8056, [(f"[{i}]", item) for i, item in enumerate(items)], length=1000))


def worked_off(h, n):
    """What was in the line has gone, and others are in it."""
    h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 400)))
    return h.set("shop", "jobs", h.container("jobs", "deque", h.items(f"job of {n}", n, "Job", 900)))


def spared(h, n):
    return h.set("shop", "free_particles", h.container("free", "list", h.items("particle", n, "Particle", 60)))


def few(h, n):
    """Seldom one more, and small."""
    return h.set("shop", "clients", h.container("clients", "dict", h.items("client", n, "Client", 400), label=key_label))


@pytest.mark.parametrize(["build", "counts", "why"], [
    (in_places, [300, 600, 900], "length is 1,000"),
    (in_places, [300, 600], "length is 1,000"),
    (worked_off, [9, 13, 52], "0 % is still there"),
    (worked_off, [13, 52], "0 % is still there"),
    (module_list, [825, 1176, 1363], "it slows down"),
    (spared, [148, 194], "waits to be used again"),
])
def test_what_grows_but_does_not_accumulate_is_not_suspected(lake, build, counts, why):
    holder = load(lake, build, counts)
    found = ask(lake, "--min-confidence", "0")
    assert all(suspect["confidence"] < 0.5 for suspect in found), found
    one = next(suspect for suspect in found if suspect["holder"] == holder)
    # Why it is not believed comes first.
    assert why in one["evidence"][0], one
    # So it does for a person.
    assert why in " ".join(lake.ok("suspects").split()).split("why it is not believed to leak")[1]


@pytest.mark.parametrize(["counts", "confidence"], [([96, 102, 105], (0, 0.5)), ([96, 400, 700], (0.9, 1))])
def test_few_more_that_are_small_weigh_little(lake, counts, confidence):
    load(lake, few, counts)
    first = ask(lake, "--min-confidence", "0")[0]
    assert confidence[0] <= first["confidence"] <= confidence[1], first


@pytest.mark.parametrize("type_name", ["shop.Timer", "shop.Token", "shop.Task"])
def test_a_class_of_a_program_may_be_called_like_one_of_the_library(lake, type_name):
    holder = load(lake, lambda h, n: h.set("shop", "heap", h.container("heap", "list", h.items("one", n, type_name, 100))), [100, 200, 300])
    first = ask(lake)[0]
    assert first["holder"] == holder and first["idiom"] == "growing_container", first


def test_a_class_of_a_program_may_be_called_class(lake):
    """Only a class itself is called by its name alone, as what leads to statics."""

    def pupils(h, n):
        found = h.container("pupils", "list", h.items("pupil", n, "Pupil", 200))
        h.obj("class", "school.Class", 64, [(".pupils", found)], root="thread main")
        return found

    holder = load(lake, pupils, [100, 200, 300])
    first = ask(lake)[0]
    assert (first["holder"], first["held_by"]) == (holder, "(thread main) Class.pupils"), first


def test_garbage_where_objects_were_is_new(lake):
    """The cycles of today are where parents and children of yesterday were, which the program held then."""

    def build(h, n):
        never = {"enabled": True, "threshold": 1_000_000}
        found = cycles(h, n, never)
        held = [h.obj(f"parent {i}", "Parent", 400, [(".child", h.obj(f"child {i}", "Child", 100))]) for i in range(n, 300)]
        h.set("shop", "parents", h.container("parents", "list", held))
        return found

    holder = load(lake, build, [100, 200, 300])
    first = ask(lake, "d2", "d3")[0]
    assert holder == first["holder"] and first["idiom"] == "garbage_cycle" and first["confidence"] >= 0.9, first


def test_what_objects_of_a_holder_share_is_not_its_ring(lake):
    """Texts that two objects share, which are made anew each time, hang below what holds both, to which nothing is added."""

    def build(h, n):
        texts = [h.obj(f"text of {i}", "str", 120) for i in range(n)]
        attributes = [(f"['{name}']", h.container(f"{name} {n}", "tuple", texts)) for name in ("asked", "told")]
        table = h.obj("table", "dict", 232, attributes)
        h.set("shop", "service", h.obj("service", "Service", 64, [(".__dict__", table)]))
        return table

    table = load(lake, build, [100, 200, 300])
    found = ask(lake, "--min-confidence", "0")
    assert not [suspect for suspect in found if suspect["holder"] == table and suspect["confidence"] >= 0.5], found


@pytest.mark.parametrize(["stay", "is_leak"], [(1, True), (4, False)])
def test_what_stays_in_a_map_tells_a_leak_from_what_ends(lake, stay, is_leak):
    """Of the sessions of an earlier dump, all or one in some are still there, under their keys."""

    def sessions(h, n):
        h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 400)))
        items = h.items("session", n, "Session", 200)
        key = lambda i: f"['{i if i % stay == 0 else (n, i)}']"
        return h.set("shop", "sessions", h.container("sessions", "dict", items, label=key))

    holder = load(lake, sessions, [100, 200, 300])
    found = ask(lake, "--min-confidence", "0")
    first = next(suspect for suspect in found if suspect["holder"] == holder)
    said = [fact for fact in first["evidence"] if "still there" in fact]
    assert (first["confidence"] >= 0.9, said == []) == (is_leak, is_leak), first
    assert is_leak or "25 % is still there" in said[0], said


def test_objects_that_change_have_stayed(lake):
    """All of their texts are others each time; a number tells who is who."""

    def orders(h, n):
        each = lambda i: [
            (".id", h.obj(f"id {i}", "int", 32, value=f"{5000 + i}")), (".status", h.obj(f"status {i}", "str", 60, value=f"seen in {n}: {i}"))
        ]
        return h.set("shop", "orders", h.container("orders", "list", h.items("order", n, "Order", 200, each)))

    holder = load(lake, orders, [100, 200, 300])
    first = ask(lake)[0]
    assert first["holder"] == holder and first["confidence"] >= 0.9, first


def test_two_collections_that_hold_the_same_free_it_together(lake):
    """Neither frees anything alone; together they free all."""

    def indexed(h, n):
        items = h.items("session", n, "Session", 200)
        h.set("shop", "by_name", h.container("by_name", "dict", items, label=key_label))
        return h.set("shop", "in_order", h.container("in_order", "list", items))

    load(lake, indexed, [100, 200, 300])
    first = ask(lake)[0]
    assert first["confidence"] >= 0.9 and first["retained"] >= 300 * 200, first
    assert any("are also held by" in fact for fact in first["evidence"]), first


@pytest.mark.parametrize("counts", [[100, 200], [100, 200, 300]])
@pytest.mark.parametrize("remade", ["list", "state", "two lists"])
def test_a_container_that_is_made_anew_with_copies_has_grown(lake, remade, counts):
    """`rows = [copy(row) for row in rows] + more`, alone, in an object that is made anew, or beside another list that is."""

    def rows(h, n):
        h.set("shop", "catalogue", h.container("catalogue", "list", h.items("product", 600, "Product")))
        each = lambda i: [(".number", h.obj(f"number {i} of {n}", "str", 60, value=f"order-{i}"))]
        found = h.container(f"rows of {n}", "list", h.items(f"row of {n}", n, "Row", 200, each))
        other = h.container(f"errors of {n}", "list", h.items(f"error of {n}", 20, "Error", 100))
        attributes = [(".errors", other), (".rows", found)] if remade == "two lists" else [(".rows", found)]
        h.set("shop", "state", h.obj(f"state of {n}" if remade == "state" else "state", "State", 64, attributes))
        return found

    holder = load(lake, rows, counts)
    first = ask(lake, "--min-confidence", "0")[0]
    assert (first["holder"], first["count"], first["count_growth"]) == (holder, counts[-1], counts[-1] - counts[0]), first
    # What is loaded once more, and is larger now, looks the same in two dumps.
    if len(counts) == 2:
        assert first["confidence"] < 0.5 and "a third dump would tell" in first["evidence"][0], first
    else:
        assert first["confidence"] >= 0.8, first


def test_a_result_that_is_replaced_has_not_grown(lake):
    """A new list of other objects, in the place of a shorter one."""

    def replaced(h, n):
        h.set("shop", "catalogue", h.container("catalogue", "list", h.items("product", 600, "Product")))
        return h.set("shop", "report", h.container(f"report {n}", "list", h.items(f"row of {n}", n, "Row")))

    load(lake, replaced, [100, 200, 300])
    assert all(suspect["confidence"] < 0.5 for suspect in ask(lake)), ask(lake)


def test_many_that_refer_back_to_the_owner_do_not_hide_the_way(lake):
    def scheduler(h, n):
        queue = h.obj("queue", "list", 56 + 8 * n)
        owner = h.obj("scheduler", "Scheduler", 64, [("._queue", queue)])
        events = [h.obj(f"event {i}", "Event", 100, [(".scheduler", owner)]) for i in range(n)]
        for i, event in enumerate(events):
            h.add(queue, f"[{i}]", event)
        h.set("shop", "timeouts", owner)
        return queue

    holder = load(lake, scheduler, [300, 600, 900])
    first = ask(lake)[0]
    assert (first["holder"], first["held_by"]) == (holder, "shop.timeouts._queue"), first


def handlers(h, n):
    """Of requests, not of log records."""
    found = h.container("handlers", "list", [h.obj(f"handler {i}", "web.RouteHandler", 200) for i in range(n)])
    return h.set("shop", "routes", found)


def log_handlers(h, n):
    formatter = h.obj("formatter", "logging.Formatter", 64)
    found = [h.obj(f"handler {i}", "shop.FileHandler", 200, [(".formatter", formatter)]) for i in range(n)]
    logger = h.obj("logger", "logging.Logger", 64, [(".handlers", h.container("handlers", "list", found))], name="shop")
    h.set("shop", "log", logger)
    return h.address("handlers")


def callbacks_of_futures(h, n):
    """Each is kept with the context that it will run in."""
    found = []
    for i in range(n):
        callback = h.obj(f"callback {i}", "function", 136, name="done")
        context = h.obj(f"context {i}", "_contextvars.Context", 80)
        found.append(h.obj(f"pair {i}", "tuple", 56, [("[0]", callback), ("[1]", context)]))
    future = h.obj("future", "_asyncio.Future", 120, [("[…]", h.container("callbacks", "list", found))])
    h.set("shop", "stopping", future)
    return h.address("callbacks")


@pytest.mark.parametrize(["build", "is_idiom"], [
    (handlers, lambda idiom: idiom != "logging_handler"),
    (log_handlers, lambda idiom: idiom == "logging_handler"),
    (callbacks_of_futures, lambda idiom: idiom != "context_var"),
])
def test_idioms_are_not_told_by_a_word_alone(lake, build, is_idiom):
    holder = load(lake, build, [100, 200, 300])
    first = ask(lake)[0]
    assert first["holder"] == holder and is_idiom(first["idiom"]), first


def test_tables_of_subclasses_are_no_group_that_c_code_holds(lake):
    load(lake, subclasses_of_many, [40, 80, 120])
    assert not [suspect for suspect in ask(lake) if suspect["idiom"] == "external_reference"]


def subclasses(h, n, is_referred_to=False, target="type"):
    """A dictionary that C code holds, of weak references; those of the interpreter's own are to classes."""
    refs = []
    for i in range(n):
        made = h.set("shop", f"class_{i}", h.obj(f"class {i}", target, 1064, name=f"C{i}"))
        weak = h.obj(f"weak {i}", "weakref.ReferenceType", 72, [("()", made)], weak=[0])
        refs += [("<key>", h.obj(f"key {i}", "int", 32, value=str(made))), (f"[{made}]", weak)]
    found = h.obj("subclasses", "dict", 40 * n, refs, length=n, refcount=1)
    if is_referred_to:
        h.set("shop", "known", found)
    return found


def c_code(h, n):
    h.native = n << 20


@pytest.mark.parametrize(["counts", "confidence", "growth"], [([24], 0.25, None), ([8, 16, 24], 0.8, 16 << 20), ([24, 24, 24], None, None), ([6], None, None)])
def test_memory_of_c_code_is_no_object(lake, counts, confidence, growth):
    load(lake, c_code, counts)
    found = [suspect for suspect in ask(lake) if suspect["idiom"] == "outside_objects"]
    if confidence is None:
        assert found == []
    else:
        [suspect] = found
        assert (suspect["rank"], suspect["holder"], suspect["confidence"]) == (1, None, confidence), suspect
        assert (suspect["retained"], suspect["retained_growth"]) == (24 << 20, growth), suspect


def blocks(h, n):
    """A list of blocks, each of which has some objects and holds the block after it, as that of itertools.tee."""
    per_block = 50
    n_blocks = -(-n // per_block)
    for i in reversed(range(n_blocks)):
        items = h.items("tick", min(n - i * per_block, per_block), "Tick", first=i * per_block)
        after = [(None, h.address(f"block {i + 1}"))] if i + 1 < n_blocks else []
        h.obj(f"block {i}", "itertools._tee_dataobject", 500, [(None, item) for item in items] + after)
    return h.set("shop", "archive", h.obj("archive", "itertools._tee", 64, [(None, h.address("block 0"))]))


def test_the_end_of_a_list_of_blocks_grows_and_its_beginning_holds_it(lake):
    holder = load(lake, blocks, [180, 240, 300])
    first = ask(lake)[0]
    assert (first["holder"], first["idiom"]) == (holder, "chain"), first
    assert first["confidence"] >= 0.8


def chain_with_ends(h, n):
    """A chain of tracebacks below an error, with dictionaries before and after it."""
    for i in range(n):
        after = [(".tb_next", h.address(f"traceback {i + 1}"))] if i + 1 < n else [(None, h.obj("last", "dict", 232, [("['log']", h.obj("log", "str", 2000))]))]
        h.obj(f"traceback {i}", "traceback", 500, after)
    return h.set("shop", "NOT_READY", h.obj("not ready", "NotReady", 72, [(".__traceback__", h.address("traceback 0"))]))


def test_a_chain_is_one_of_objects_of_the_program(lake):
    """Each link has two dictionaries, so that there are more of these."""

    def build(h, n):
        for i in range(n):
            more = [(f".{name}", h.obj(f"{name} of {i}", "dict", 232)) for name in ("before", "after")]
            h.obj(f"entry {i}", "audit.Entry", 64, more + ([(".previous", h.address(f"entry {i - 1}"))] if i else []))
        return h.set("shop", "trail", h.obj("trail", "audit.Trail", 48, [(".last", h.address(f"entry {n - 1}"))]))

    holder = load(lake, build, [100, 200, 300])
    first = ask(lake)[0]
    assert (first["holder"], first["idiom"], first["type"]) == (holder, "chain", "audit.Entry"), first
    assert (first["count"], first["count_growth"]) == (300, 200) and "`audit.Entry`" in first["advice"], first


def test_what_is_on_the_way_of_a_chain_once_or_twice_is_no_link(lake):
    holder = load(lake, chain_with_ends, [300])
    first = ask(lake)[0]
    assert (first["holder"], first["idiom"]) == (holder, "stored_exception"), first


def ring_of_nodes(h, n):
    """A head that refers to the first and the last of a ring of nodes, which refer to each other."""
    h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 400)))
    for i in range(n):
        around = [(".next", h.address(f"node {i + 1}" if i + 1 < n else "ring")), (".before", h.address(f"node {i - 1}" if i else "ring"))]
        h.obj(f"node {i}", "Node", 200, around)
    ends = [(".next", h.address("node 0")), (".before", h.address(f"node {n - 1}"))]
    return h.set("shop", "recently_used", h.obj("ring", "Ring", 48, ends))


def signal_handlers(h, n):
    """The handler of a signal keeps the one before it; the newest is a root, to which no object refers."""
    h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 400)))
    for i in range(n):
        before = [(".cell_contents", h.address(f"handler {i - 1}"))] if i else []
        cells = h.obj(f"closure {i}", "tuple", 56, [("[0]", h.obj(f"cell {i}", "cell", 40, before))])
        root = "signal SIGUSR2" if i + 1 == n else None
        found = h.obj(f"handler {i}", "function", 160, [(".__closure__", cells)], name="handler", root=root)
    return found


def many_lists(h, n):
    """Lists of two items more than before, each; none is much of the growth."""
    h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 400)))
    users = [h.container(f"notes {user}", "list", h.items(f"note {user}", n // 100, "Note")) for user in range(400)]
    return h.set("shop", "notes", h.container("notes", "dict", users, label=key_label))


@pytest.mark.parametrize("build", [ring_of_nodes, signal_handlers, many_lists])
def test_growth_that_no_single_object_shows_is_found(lake, build):
    holder = load(lake, build, [200, 400, 600])
    first = ask(lake)[0]
    assert first["holder"] == holder and first["confidence"] >= 0.9, first
    assert first["count_growth"] >= 400 and first["retained_growth"] > 40_000, first


def generations(h, n):
    """A cache of two generations of 80: `old` was `young` before. Beside it is what stays, so that addresses tell who is who."""
    h.set("shop", "catalogue", h.container("catalogue", "tuple", h.items("product", 400)))
    numbers = list(range(n))
    young, old = [], []
    which = 0
    for number in numbers:
        if len(young) == 80:
            old, young, which = young, [], which + 1
        young.append(number)
    def made(key, items):
        prices = [address for number in items for address in h.items("price", 1, "Price", first=number)]
        return h.container(key, "dict", prices, label=key_label)
    refs = [(".young", made(f"generation {which}", young))]
    refs.append((".old", made(f"generation {which - 1}", old)))
    return h.set("shop", "cache", h.obj("cache", "Generations", 64, refs))


def test_a_holder_that_was_made_meanwhile_is_judged_since_then(lake):
    load(lake, generations, [60, 120, 180, 240, 300])
    found = ask(lake)
    assert all(suspect["confidence"] < 0.5 for suspect in found), found
    assert any("it grew, then stopped from dump to dump: 20, 80, 80" in suspect["evidence"] for suspect in found), found


def from_c_in_lists(h, n):
    """Lists of objects of the program that C code holds."""
    return Any(h.obj(f"result {i}", "list", 72, [("[0]", h.obj(f"match {i}", "Match", 300))], refcount=1) for i in range(n))


def seldom_collected(h, n):
    return cycles(h, n, {"enabled": True, "threshold": 100_000})


@pytest.mark.parametrize(["build", "idiom"], [(from_c_in_lists, "external_reference"), (seldom_collected, "garbage_cycle")])
def test_one_dump_names_what_no_object_holds(lake, build, idiom):
    holder = load(lake, build, [60])
    first = ask(lake)[0]
    assert (first["idiom"], first["basis"], first["count"]) == (idiom, "judged", 60), first
    assert holder == first["holder"] and first["confidence"] < 1


@pytest.mark.parametrize(["n", "is_odd"], [(60, True), (20, False)])
def test_one_dump_without_counts_names_many_objects_to_which_nothing_refers(lake, n, is_odd):
    """Lines of meliae's, as of objects that only C code holds."""
    lines = [{"address": 16, "type": "module", "size": 72, "name": "shop", "refs": [32]}, {"address": 32, "type": "dict", "size": 232, "refs": [48]}]
    lines.append({"address": 48, "type": "bytes", "size": 100_000, "refs": []})
    for i in range(n):
        lines.append({"address": 1000 + 32 * i, "type": "list", "size": 72, "refs": [1016 + 32 * i]})
        lines.append({"address": 1016 + 32 * i, "type": "Match", "size": 300, "refs": []})
    path = lake.path.parent / "one.dump"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    lake.load(path, "one")
    found = [suspect for suspect in ask(lake) if suspect["idiom"] == "external_reference"]
    assert bool(found) == is_odd, found
    for suspect in found:
        assert (suspect["type"], suspect["count"]) == ("Match", n) and 0 < suspect["confidence"] < 0.5, suspect


def closures_in_cycles(h, n):
    """Functions that refer to themselves through their cells: any object of such a cycle may stand for it."""
    h.collector = {"enabled": True, "threshold": 100_000}
    found = Any()
    for i in range(n):
        parts = ["function", "tuple", "cell"]
        # The order of addresses decides.
        for part in parts[i % 3 :] + parts[: i % 3]:
            h.address(f"{part} {i}")
        for part, after in zip(parts, [*parts[1:], parts[0]]):
            found.append(h.obj(f"{part} {i}", part, 64, [(None, h.address(f"{after} {i}"))], refcount=1))
    return found


def test_cycles_of_one_kind_are_one_suspect_whatever_stands_for_them(lake):
    holder = load(lake, closures_in_cycles, [60, 120, 180])
    first = ask(lake)[0]
    assert holder == first["holder"] and first["idiom"] == "garbage_cycle", first
    assert (first["count"], first["retained"]) == (180, 180 * 3 * 64), first


@pytest.mark.parametrize(["options", "is_interpreters"], [
    ({}, True), ({"is_referred_to": True}, False), ({"target": "Order"}, False),
])
def test_what_the_interpreter_keeps_of_classes_is_not_suspected(lake, options, is_interpreters):
    holder = load(lake, lambda h, n: subclasses(h, n, **options), [300])
    found = [suspect for suspect in ask(lake) if suspect["holder"] == holder]
    facts = [fact for suspect in found for fact in suspect["evidence"]]
    assert any("to its subclasses" in fact for fact in facts) == is_interpreters, found
    if is_interpreters:
        assert max(suspect["confidence"] for suspect in found) < 0.01, found


def freed(lake, cut, dump):
    """Bytes that would be freed by a cut."""
    return sum(row["size"] for row in json.loads(lake.ok("whatif", "--cut", cut, "--dump", dump, "--format", "json")))


def test_figures_are_those_of_the_queries(lake):
    holder = load(lake, module_list, [100, 200, 300])
    first = ask(lake)[0]
    whatif = next(query for query in first["queries"] if " whatif " in query)
    cut = re.search(r"--cut '([^']*)'", whatif)[1]
    assert cut == f"parent = @{holder:#x}"
    assert first["retained"] == freed(lake, cut, "d3")
    assert lake.sql(f"SELECT count(*) FROM d3.edge WHERE parent = {holder}") == [(300,)]
    assert (first["count"], first["count_growth"]) == (300, 200)


def test_what_two_hold_goes_when_both_let_go(lake):
    load(lake, two_holders, [100, 200, 300])
    first = ask(lake)[0]
    cut = re.search(r"--cut '([^']*)'", " ".join(first["queries"]))[1]
    assert cut.startswith("parent IN (")
    assert first["retained"] == freed(lake, cut, "d3")
    assert first["retained"] > 300 * 100


def plugins(h, n, copied=False):
    """Modules that stay in `sys.modules`, which is why each is a root by itself; the first is imported by another module as well."""
    h.module("sys")
    modules = [h.module(f"plugin_{i}") for i in range(n)]
    refs = []
    for i, module in enumerate(modules):
        name = h.obj(f"name {i}", "str", 60, value=f"plugin_{i}")
        refs += [("<key>", name), (f"['plugin_{i}']", module)]
    h.set("shop", "plugin_0", modules[0])
    if copied:
        h.set("shop", "before", h.container("before", "dict", modules, label=lambda i: f"['plugin_{i}']"))
    return h.set("sys", "modules", h.obj("modules", "dict", 100 * n, refs, length=n))


def test_what_sys_modules_keeps_goes_with_its_entries(lake):
    """Of each module its name, itself and its dictionary; the first is imported elsewhere and stays, but for its name."""
    holder = load(lake, plugins, [100, 200, 300])
    found = next(suspect for suspect in ask(lake) if suspect["holder"] == holder)
    assert found["retained"] == 300 * 60 + 299 * (72 + 232), found
    cut = next(query for query in found["queries"] if " whatif " in query)
    assert f"parent = @{holder:#x}" in cut
    assert freed(lake, f"parent = @{holder:#x}", "d3") == found["retained"]
    assert lake.sql(f"SELECT sum(size) FROM whatif_cut('parent = @{holder:#x}')", "--dump", "d3") == [(found["retained"],)]


def test_a_module_in_a_copy_of_sys_modules_stays(lake):
    holder = load(lake, lambda h, n: plugins(h, n, copied=True), [300])
    assert freed(lake, f"parent = @{holder:#x}", "d1") == 300 * 60


def test_growth_is_measured_as_size_is(lake):
    """What others hold as well is not counted in one dump and left out in another."""
    holder = load(lake, plugins, [100, 200, 300])
    found = next(suspect for suspect in ask(lake) if suspect["holder"] == holder)
    then, now = (freed(lake, found["cut"], dump) for dump in ("d1", "d3"))
    assert found["retained"] == now, found
    assert found["retained_growth"] == now - then > 0, found
    assert found["per_hour"] > 0


def buffer(h, n):
    """One object that grows where it is."""
    return h.set("shop", "received", h.obj("received", "bytearray", 1000 * n))


@pytest.mark.parametrize(["counts", "least"], [([100, 200], 0.5), ([100, 200, 300], 0.8)])
def test_one_object_that_grows(lake, counts, least):
    holder = load(lake, buffer, counts)
    first = ask(lake)[0]
    assert (first["holder"], first["idiom"], first["type"]) == (holder, "huge_object", "bytearray"), first
    assert (first["retained"], first["retained_growth"]) == (1000 * counts[-1], 1000 * (counts[-1] - 100))
    assert first["confidence"] >= least, first


def test_one_object_that_stays_or_shrinks_is_none(lake):
    for number, counts in enumerate([[300, 300, 300], [300, 200, 100]]):
        one = Lake(lake.path.parent / f"lake {number}")
        load(one, buffer, counts)
        assert all(suspect["confidence"] < 0.5 for suspect in ask(one)), counts


@pytest.mark.parametrize(["counts", "minutes", "is_even"], [
    ([100, 1100, 1200], [0, 100, 110], True),
    ([100, 400, 700], [0, 10, 400], False),
    ([100, 200, 300], [0, 10, 20], True),
])
def test_pace_is_by_the_hour(lake, counts, minutes, is_even):
    """Dumps are seldom taken at equal times."""
    holder = load(lake, module_list, counts, minutes=minutes)
    first = next(suspect for suspect in ask(lake) if suspect["holder"] == holder)
    assert ("it grows at an even pace" in first["evidence"]) == is_even, first
    assert any("it slows down: 1,800 more an hour, in the end 46" in fact for fact in first["evidence"]) != is_even, first
    assert (first["confidence"] >= 0.8) == is_even, first


def test_dumps_that_are_seconds_apart_say_nothing_of_pace_by_the_hour(lake):
    """To take a dump takes a good part of the time between two."""
    holder = load(lake, module_list, [100, 400, 700], minutes=[0, 1 / 12, 1 / 2])
    first = ask(lake)[0]
    assert first["holder"] == holder and "it grows at an even pace" in first["evidence"], first


def test_the_table_of_a_list_is_mentioned(lake):
    """It goes when the list is emptied; the cut, which frees the retained bytes, keeps the list as it is."""
    load(lake, module_list, [300, 600, 900])
    first = ask(lake)[0]
    assert any(fact.startswith("its own table has 7.1 KiB more") for fact in first["evidence"]), first["evidence"]
    assert first["retained"] == 900 * 150


def test_text_for_a_person(lake):
    load(lake, listeners, [100, 200, 300])
    text = lake.ok("suspects", "--format", "table")
    assert text.startswith("Asked: 3 dumps of process 4711 on web3")
    assert "shop.order_paid.listeners holds 300 View" in text or "shop.order_paid.listeners holds 300 method" in text
    for word in ("sure", "why", "way", "frees", "do", "see"):
        assert re.search(rf"^    {word} ", text, re.M), word
    assert "heaplake --lake" in text and "whatif --cut" in text


def test_a_check_fails_with_the_verdict(lake):
    load(lake, module_list, [100, 200, 300])
    failed = lake.run("check", "no_suspects")
    assert failed.returncode == 1
    assert b"shop.ORDERS" in failed.stdout
    assert lake.run("check", "no_suspects", "ignore=shop.*").returncode == 0
    assert lake.run("check", "no_suspects", "confidence=1").returncode == 0


def test_dumps_of_another_process_are_left_out(lake):
    load(lake, module_list, [100, 200])
    heap = Heap({})
    module_list(heap, 900)
    lake.load(heap.write(lake.path.parent / "other.dump", 30, pid=12), "other")
    assert ask(lake)[0]["dumps"] == 1
    lake.ok("tag", "*", "service=shop")
    assert ask(lake)[0]["dumps"] == 3


def test_names_from_a_dump_do_not_reach_the_terminal(lake):
    evil = "\x1b[31mred\x1b[0m\n\u202e"

    def build(h, n):
        found = h.container("list", "list", h.items("x", n, evil))
        return h.add(h.address("dict of shop"), f"['{evil}']", found)

    load(lake, build, [100, 200, 300])
    text = lake.ok("suspects", "--format", "table", "-n", "9")
    assert "\x1b" not in text and "\u202e" not in text and "\\u{1b}" in text or "\\x1b" in text


@pytest.mark.parametrize("what", ["2", "-1", "x", "nan"])
def test_a_confidence_is_from_0_to_1(lake, what):
    load(lake, module_list, [1])
    assert "0.5" in lake.fails("suspects", f"--min-confidence={what}")


def test_statements_of_the_function_run(lake):
    load(lake, module_list, [100, 200, 300])
    queries, retained = lake.sql("SELECT queries, retained FROM suspects() LIMIT 1")[0]
    assert len(queries) == 3
    found = {query.split("(")[0].split()[-1]: lake.sql(query.replace("*", "count(*)", 1)) for query in queries}
    assert all(rows[0][0] > 0 for rows in found.values()), found
    cut = next(query for query in queries if "whatif_cut" in query)
    assert lake.sql(cut.replace("*", "sum(size)", 1)) == [(retained,)]


def test_as_a_function(lake):
    holder = load(lake, module_list, [100, 200, 300])
    assert lake.sql("SELECT holder, dumps FROM suspects('d1', 'd3') WHERE rank = 1") == [(holder, 2)]


# Accepted suspects --------------------------------------------------------------------------------------------------------


def test_an_accepted_suspect_is_reported_as_that(lake):
    load(lake, module_list, [100, 200, 300])
    said = lake.run("suspects", "--accept", "1", "--reason", "kept for the report")
    assert said.returncode == 0 and b"accepted shop.ORDERS" in said.stderr
    entry = json.loads((lake.path / "accepted.json").read_text())["accepted"][0]
    assert (entry["holder"], entry["idiom"], entry["reason"]) == ("shop.ORDERS", "growing_container", "kept for the report")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"]) and "who" in entry
    first = ask(lake)[0]
    assert first["confidence"] >= 0.8 and first["accepted"].startswith("kept for the report (")
    text = lake.ok("suspects", "--format", "table")
    assert "No suspect" in text and "Accepted: shop.ORDERS holds 300" in text
    check = lake.run("check", "no_suspects")
    assert check.returncode == 0 and b"accepted: " in check.stdout and b"kept for the report" in check.stdout
    assert lake.run("verify").returncode == 0


def test_holders_are_ignored_by_a_glob_in_a_file_of_a_repository(lake, tmp_path):
    load(lake, module_list, [100, 200, 300])
    file = tmp_path / "accepted.json"
    lake.ok("suspects", "--ignore", "shop.*", "--reason", "old code", "--accepted", str(file))
    assert not (lake.path / "accepted.json").exists()
    assert ask(lake)[0]["accepted"] is None
    assert ask(lake, "--accepted", str(file))[0]["accepted"].startswith("old code")
    assert lake.run("check", "no_suspects").returncode == 1
    assert lake.run("check", "no_suspects", "--accepted", str(file)).returncode == 0
    # A holder that is named is compared as it is, whatever is in its name.
    file.write_text('{"format": 1, "accepted": [{"holder": "shop.*"}]}')
    assert ask(lake, "--accepted", str(file))[0]["accepted"] is None


@pytest.mark.parametrize("text", ["{", "[1]", '{"format": 9, "accepted": []}', '{"format": 1, "accepted": [{}]}'])
def test_a_file_that_is_no_list_of_accepted_suspects_is_an_error(lake, tmp_path, text):
    load(lake, module_list, [100, 200, 300])
    file = tmp_path / "accepted.json"
    file.write_text(text)
    assert "accepted.json" in lake.fails("suspects", "--accepted", str(file))
    assert "accepted.json" in lake.fails("suspects", "--accept", "1", "--accepted", str(file))
    assert lake.run("check", "no_suspects", "--accepted", str(file)).returncode == 2
    assert file.read_text() == text


def test_what_is_accepted_must_be_there(lake):
    load(lake, module_list, [100, 200, 300])
    assert "rank 99" in lake.fails("suspects", "--accept", "99")
    assert "--accept" in lake.fails("suspects", "--reason", "why")
    assert not (lake.path / "accepted.json").exists()


def test_a_reason_does_not_reach_the_terminal(lake):
    load(lake, module_list, [100, 200, 300])
    evil = "\x1b[31mred\n\u202e"
    assert lake.run("suspects", "--accept", "1", "--reason", evil).returncode == 0
    for text in (lake.ok("suspects", "--format", "table"), lake.run("check", "no_suspects").stdout.decode()):
        assert "\x1b" not in text and "\u202e" not in text and "red" in text
    assert ask(lake)[0]["accepted"].startswith(evil)


# Many dumps, and verdicts as they are read --------------------------------------------------------------------------------


def test_of_many_dumps_some_are_asked(lake):
    """Of 60 dumps of a process 48 are looked at, and the verdict is that of the first and the newest."""
    holder = load(lake, module_list, range(100, 160))
    first = ask(lake)[0]
    assert (first["holder"], first["dumps"], first["count"], first["count_growth"]) == (holder, 48, 159, 59)


@pytest.mark.parametrize(["counts", "is_believed"], [([1, 2, 3, 4, 5], False), ([2, 4, 6, 8, 10], True)])
def test_one_more_with_each_dump_may_come_with_the_dump(lake, counts, is_believed):
    """What takes a dump may keep a note of it; what requests leave behind comes more often."""
    holder = load(lake, module_list, counts)
    first = ask(lake)[0]
    assert first["holder"] == holder
    assert (first["confidence"] >= 0.5) == is_believed, first
    assert any("at most one more comes with each dump" in fact for fact in first["evidence"]) != is_believed


@pytest.mark.slow
def test_a_lake_of_a_thousand_dumps(lake, tmp_path):
    """Those of one process among those of others."""
    addresses, files = {}, []
    for number in range(1000):
        heap = Heap(addresses)
        holder = module_list(heap, 20 + number)
        # Every hundredth is of the process that is asked about.
        files.append(heap.write(tmp_path / f"d{number}.dump", 0, pid=1 if number % 100 == 99 else 2 + number))
        text = files[-1].read_text().replace("T12:00:00", f"T{number // 60:02}:{number % 60:02}:00")
        files[-1].write_text(text)
    for at in range(0, 1000, 100):
        lake.ok("import", *files[at : at + 100])
    first = ask(lake)[0]
    assert (first["holder"], first["dumps"], first["count"]) == (holder, 10, 1019)
    assert ask(lake, "*")[0]["dumps"] == 48


def test_a_verdict_is_stopped(lake, big_dump):
    """Ctrl-C at any time: nothing is said, at once."""
    lake.load(big_dump, "a")
    lake.load(big_dump, "b")
    codes = []
    for wait in (0.02, 0.05, 0.1, 0.2, 0.4):
        process = lake.start("suspects", "a", "b", "--format", "json")
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        codes.append(process.returncode)
        # A signal that comes before the program listens ends it as it is; one that comes after the last row is too late.
        assert process.returncode in (130, -signal.SIGINT, 0), process.returncode
        assert (output == b"") == (process.returncode != 0)
    assert 130 in codes, codes


@pytest.mark.parametrize("name", [*LEAKS, *PROVED])
def test_a_verdict_reads_as_it_did(lake, name):
    build = LEAKS.get(name) or PROVED[name][0]
    load(lake, build, [100, 200, 300])
    text = lake.ok("suspects", "--format", "table").replace(str(lake.path), "LAKE")
    golden = GOLDEN / f"{name.replace(' ', '_')}.txt"
    if os.environ.get("HEAPLAKE_BLESS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", [name for name, (build, _) in PROVED.items() if name not in ("tasks", "weak keys")])
def test_a_proof_does_not_depend_on_the_names_of_the_program(lake, name):
    """With other names for the types of the program; those of the interpreter and its library say what waits and what is called."""
    names = {}
    own = {"Order", "Bag", "View", "Signal", "Parent", "Child", "Token", "Request", "Extra"}
    rename = lambda name: names.setdefault(name, f"T{len(names)}") if name in own else name
    holder = load(lake, PROVED[name][0], [40], rename=rename)
    first = ask(lake)[0]
    assert holder == first["holder"] and first["basis"] == "proved", first


#: A name that must not reach a terminal, a page or a query as it is.
EVIL = "\x1b[31mred\x1b[0m' OR 1=1 --\n\u202e<b>|`"


@pytest.mark.parametrize("name", [*LEAKS, *PROVED])
def test_hostile_names_in_every_text(lake, name):
    build = LEAKS.get(name) or PROVED[name][0]
    rename = lambda name: f"{EVIL}{name}" if name[:1].isupper() and name not in ("NoneType",) else name
    load(lake, build, [100, 200, 300], rename=rename)
    for args in (["suspects", "--format", "table", "-n", "9"], ["suspects", "--format", "md"], ["check", "no_suspects"]):
        text = lake.run(*args).stdout.decode()
        assert not {c for c in text if (ord(c) < 32 and c != "\n") or c == "\u202e"}, (args, text)
    for suspect in ask(lake):
        for query in suspect["queries"]:
            assert "\x1b" not in query and "\n" not in query
