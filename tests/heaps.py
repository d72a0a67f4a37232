"""Makes heaps: big ones fast, and small random ones that hold everything a heap may hold."""

import json
import random

TYPES = ["str"] * 42 + ["tuple"] * 16 + ["dict"] * 12 + ["list"] * 8 + ["int"] * 7 + ["function"] * 3


def write_big(path, n_objects, seed=1):
    """A dump in the form of meliae's scanner: mixed types, about three references each, 1 % of them dangling."""
    chance = random.Random(seed)
    address = [140_000_000_000_000 + 48 * k for k in range(n_objects)]
    chance.shuffle(address)
    with open(path, "w") as out:
        for start in range(0, n_objects, 10_000):
            out.write("".join(big_line(chance, address, k) for k in range(start, min(start + 10_000, n_objects))))
    return path


def big_line(chance, address, k):
    kind = chance.randrange(100)
    name = TYPES[kind] if kind < len(TYPES) else f"app.Class{chance.randrange(400)}"
    size = 16 + 8 * chance.randrange(40)
    extra = f', "len": {kind}, "value": "value of object {k}"' if name == "str" else ""
    refs = [address[int(chance.random() * len(address))] for _ in range(chance.randrange(7))]
    if kind == 99:
        refs.append(7 + k)
    return f'{{"address": {address[k]}, "type": "{name}", "size": {size}{extra}, "refs": {refs}}}\n'


#: Text that has broken readers, writers, terminals and shells before.
NASTY = [
    "",
    " ",
    "é",
    "日本",
    "😀",
    "\x00",
    'a"b',
    "back\\slash",
    "\x1b[31m",
    "\u202e",
    "new\nline",
    "tab\t",
    "null",
    "'; drop table obj; --",
    "../../x",
    "=1+1",
    "\ufeff",
    "/",
    "\x7f",
    "{",
    "]",
    "NaN",
]
NASTY_TYPES = ["dict", "str", "a.b.C", "type", "é", "Ω", "\x1b[2J", "a b", "x'y", "", "dict "]
EDGES_OF_64_BITS = [0, 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]


def random_heap(seed):
    """The objects of a small heap as JSON values, in the order of the file."""
    chance = random.Random(seed)
    addresses = chance.sample(EDGES_OF_64_BITS, chance.randrange(5)) + [
        chance.randrange(2**64) for _ in range(chance.randrange(1, 30))
    ]
    return [random_object(chance, address, addresses) for address in dict.fromkeys(addresses)]


def random_object(chance, address, addresses):
    o = {
        "address": address,
        "type": chance.choice(NASTY_TYPES),
        "size": chance.choice([0, 8, 2**40, chance.randrange(4096)]),
    }
    if chance.random() < 0.3:
        o["len"] = chance.choice([0, 1, 10**9])
    if chance.random() < 0.3:
        o["name"] = chance.choice(NASTY)
    if chance.random() < 0.5:
        o["value"] = chance.choice([*NASTY, 0, -1, 10**40, "".join(chance.choices(NASTY, k=5))])
    if chance.random() < 0.9:
        o["refs"] = [
            chance.choice(addresses) if chance.random() < 0.9 else chance.randrange(2**64)
            for _ in range(chance.randrange(6))
        ]
    return o


def text_of(objects, seed):
    """The bytes of a dump file: one of the ways in which the same objects may be written."""
    chance = random.Random(seed)
    form = chance.choice(["scanner", "compact", "shuffled", "array by line", "one line", "pretty"])
    shuffled = form in ("shuffled", "pretty")
    ascii_only = chance.random() < 0.5
    separators = (",", ":") if form in ("compact", "one line") else None
    indent = 2 if form == "pretty" else None
    lines = [
        json.dumps(
            reordered(chance, o) if shuffled else o, ensure_ascii=ascii_only, separators=separators, indent=indent
        )
        for o in objects
    ]
    newline = chance.choice(["\n", "\r\n"])
    text = {
        "array by line": "[\n" + ("," + newline).join(lines) + "\n]\n",
        "one line": "[" + ",".join(lines) + "]",
    }.get(form, newline.join(lines) + chance.choice(["", newline, newline * 3]))
    return (chance.choice(["", "\ufeff"]) + text).encode()


def reordered(chance, o):
    keys = [*o, "unknown"]
    chance.shuffle(keys)
    return {key: o.get(key, {"a": [1, {"b": '}"]'}]}) for key in keys}
