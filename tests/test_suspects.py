"""The verdict: each idiom and each signal alone on a heap of a few objects, at three moments of one process."""

import json
import random
import re

import pytest

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

    def obj(self, key, type_name, size=64, refs=(), name=None, value=None, root=None, length=None):
        """An object, whose references are pairs of a label and an address."""
        line = {"address": self.address(key), "type": self.rename(type_name), "size": size}
        line |= {k: v for k, v in (("name", name), ("len", length), ("value", value)) if v is not None}
        line |= {"refs": [address for _, address in refs], "labels": [label for label, _ in refs]}
        line |= {"root": root} if root else {}
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

    def write(self, path, moment, pid=4711):
        head = {"format": 1, "time": f"2026-03-01T12:{moment:02}:00.000000Z", "pid": pid, "host": "web3", "python": "3.12.1"}
        head |= {"command": ["python", "shop.py"], "rss": 50_000_000, "values": "short", "redact": False, "fork": True}
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


def load(lake, build, counts, write_with=None, rename=lambda name: name, addresses=None):
    """The dumps d1, d2, ... of a program at several moments; the addresses of the holder at the last."""
    addresses = {} if addresses is None else addresses
    for moment, n in enumerate(counts, 1):
        if write_with == "shuffled":
            names = list(addresses)
            random.Random(moment).shuffle(names)
            addresses = {name: 0x7E0000000000 + 64 * i for i, name in enumerate(names)}
        heap = Heap(addresses, rename)
        found = build(heap, n)
        lake.load(heap.write(lake.path.parent / f"{moment}.dump", moment), f"d{moment}")
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


def test_moved_objects_are_found_by_their_paths(lake):
    """As two processes of one service: nothing is where it was."""
    holder = load(lake, module_list, [100, 200, 300], write_with="shuffled")
    first = ask(lake, "d1", "d2", "d3")[0]
    assert first["holder"] == holder and first["confidence"] >= 0.5


#: What grows, or looks odd, and is no leak: numbers of objects at three moments, and what builds them.
def bounded(h, n):
    entries = h.container("entries", "dict", h.items("entry", n), label=key_label)
    limit = h.obj("limit", "int", 28, value="1000")
    cache = h.obj("cache", "BoundedCache", 64, [(".entries", entries), (".max_entries", limit)])
    return h.set("shop", "cache", cache)


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


CONTROLS = {
    "it stopped": (module_list, [100, 300, 300, 300]),
    "it comes and goes": (module_list, [300, 100, 250, 120]),
    "it shrinks": (module_list, [300, 200, 100]),
    "it stays": (module_list, [300, 300, 300]),
    "it has a bound": (bounded, [100, 200, 300]),
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


def test_figures_are_those_of_the_queries(lake):
    holder = load(lake, module_list, [100, 200, 300])
    first = ask(lake)[0]
    whatif = next(query for query in first["queries"] if " whatif " in query)
    cut = re.search(r"--cut '([^']*)'", whatif)[1]
    assert cut == f"parent = @{holder:#x}"
    freed = json.loads(lake.ok("whatif", "--cut", cut, "--dump", "d3", "--format", "json"))
    assert first["retained"] == sum(row["size"] for row in freed), (first["retained"], freed)
    assert lake.sql(f"SELECT count(*) FROM d3.edge WHERE parent = {holder}") == [(300,)]
    assert (first["count"], first["count_growth"]) == (300, 200)


def test_what_two_hold_goes_when_both_let_go(lake):
    load(lake, two_holders, [100, 200, 300])
    first = ask(lake)[0]
    cut = re.search(r"--cut '([^']*)'", " ".join(first["queries"]))[1]
    assert cut.startswith("parent IN (")
    freed = json.loads(lake.ok("whatif", "--cut", cut, "--dump", "d3", "--format", "json"))
    assert first["retained"] == sum(row["size"] for row in freed)
    assert first["retained"] > 300 * 100


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


def test_as_a_function(lake):
    holder = load(lake, module_list, [100, 200, 300])
    assert lake.sql("SELECT holder, dumps FROM suspects('d1', 'd3') WHERE rank = 1") == [(holder, 2)]
