"""Two captures whose every type, name, value, label and word about the process is an attack on whoever shows it."""

import json

ATTACKS = [
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg/onload=document.title='owned'>",
    "javascript:document.title='owned'",
    "'\" onmouseover='document.title=1' x='",
    "![x](http://127.0.0.1:9/x.png) [y](javascript:alert(1)) @everyone #1 | a | `b`",
    "=HYPERLINK(\"http://127.0.0.1:9\")",
    "<!-- ]]> {{7*7}} ${7*7} %n%s </title></style></textarea>",
    "\u202eevil\u2066\u200b\u2028\u2029",
    "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\t",
    "&lt;b&gt;&amp;&quot;",
    "-> list -> (A ->)+",
    "'; drop table obj; --",
]
#: The name of an object that has one of a megabyte.
LONG = "<b>" + "A" * 1_000_000
#: Stands before each attack, so that it is found again.
MARK = "attack"


def word(k, what=""):
    """An attack, unlike every other."""
    return f"{MARK}{k}{what}{ATTACKS[k % len(ATTACKS)]}"


def lines(n_leaked, time, is_code_plain=False):
    """A program whose registry grows: every text of it is an attack; with `is_code_plain` all but what a programmer writes."""

    def code(k, what):
        return f"app.{what.capitalize()}{k}" if is_code_plain else word(k, what)

    head = {
        "format": 2, "time": time, "pid": 4711, "host": word(1), "python": "3.11.7", "command": ["python", word(2)],
        "rss": 300 << 20, "values": "full", "redact": False, "fork": True,
        "memory": {"anonymous": 200 << 20, "file": 100 << 20, "shared": 0, "swap": 0, "threads": 2, "code": 50 << 20,
                   "mapped": 1 << 20, "stacks": 1 << 20, "pools": 20 << 20, "pools_used": 10 << 20, "malloc": 90 << 20,
                   "malloc_free": 5 << 20},
    }  # fmt: skip
    yield {"address": 0, "type": "heaplake capture", "size": 0, "capture": head, "refs": []}
    objects = []

    def put(address, type_name, size, refs=(), **more):
        objects.append({"address": address, "type": type_name, "size": size} | more | {"refs": list(refs)})

    leaked = [0x100000 + 64 * k for k in range(n_leaked)]
    others = [0x10000 + 64 * k for k in range(len(ATTACKS))]
    put(0x1000, "module", 72, [0x1010], name=code(3, "module"), labels=[".__dict__"])
    put(0x1010, "dict", 1000, [0x1020, *others], len=1 + len(others),
        labels=[f"['{word(4)}']", *(f"['{word(k, 'key')}']" for k in range(len(others)))])  # fmt: skip
    put(0x1020, "list", 8 * n_leaked + 64, leaked, len=n_leaked, name=word(5), labels=[f"[{k}]" for k in range(n_leaked)])
    for k, address in enumerate(leaked):
        put(address, code(0, "leak"), 4096, [0x2000], name=word(k, "name"), labels=["." + word(6)])
    for k, address in enumerate(others):
        put(address, code(k, "type"), 200 + k, [0x2000 + 64 * k], name=word(k, "own"), labels=["." + word(k, "label")])
        for copy in range(2):
            put(0x2000 + 64 * k + 0x8000 * copy, "str", 300, [], len=200, value=word(k, "value"))
    put(0x1500, "frame", 400, [0x100000, 0x10000], name=code(7, "function"), value=code(8, "file"), labels=[word(9), word(10)], root=f"thread {word(11)}")
    # Only each other hold these; and a chain.
    put(0x1600, code(12, "garbage"), 64, [0x1610], labels=["." + word(12)], refcount=1)
    put(0x1610, code(12, "garbage"), 64, [0x1600], labels=["." + word(12)], refcount=1)
    chain = [0x80000 + 64 * k for k in range(30)]
    for k, address in enumerate(chain):
        put(address, code(13, "chain"), 64, chain[k + 1 : k + 2], labels=["." + word(13)][: len(chain[k + 1 : k + 2])])
    put(0x1700, "list", 64, [chain[0]], len=1, labels=["[0]"], refcount=3)
    put(0x1800, code(2, "long"), 5000, [], name=LONG, value=LONG, refcount=2)
    yield from sorted(objects, key=lambda o: o["address"])
    yield {"address": 1, "type": "heaplake capture", "size": 0, "end": {"objects": len(objects)}, "refs": []}


def write(folder, is_code_plain=False):
    """The files of both captures; in the second more has leaked."""
    files = []
    for n, n_leaked in ((1, 50), (2, 400)):
        file = folder / f"hostile-{n}.dump"
        time = f"2026-03-01T1{n}:00:00.000000Z"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines(n_leaked, time, is_code_plain)))
        files.append(file)
    return files
