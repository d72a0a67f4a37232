"""Dumps of PyHeap (version 1) as tables that heaplake imports.

    python pyheap.py app.pyheap tables/
    heaplake import --objects tables/objects.csv --edges tables/edges.csv --roots tables/roots.csv --format capture --dump app

The file is big-endian: u64 123000321, u32 version, the time, u64 flags; threads with their frames and local variables; names of
frequent attributes; attributes of common types; objects with type, size, referents, attributes, and with the first flag their repr;
names of types; u64 123000321. It has attributes that are found by `dir`, most of which a class gives its instances: only those that
are among the referents of an object, or of its `__dict__`, are references of its own. Frames are not objects in such a dump, so that
local variables are roots.
"""

import csv
import struct
import sys
from pathlib import Path

MAGIC = 123_000_321
WITH_REPR = 1
#: Types whose repr is a value.
VALUES = {"str", "bytes", "int", "float", "complex", "bool"}


class Reader:
    """Reads the parts of a dump, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def u16(self):
        return self.number("!H")

    def u32(self):
        return self.number("!I")

    def u64(self):
        return self.number("!Q")

    def bytes(self, n):
        if self.at + n > len(self.data):
            raise ValueError("the file ends early")
        self.at += n
        return self.data[self.at - n : self.at].decode("utf-8", "replace")

    def text(self):
        return self.bytes(self.u16())

    def attributes(self, frequent):
        """Name and address; a negative length is the position of a frequent name."""
        for _ in range(self.u32()):
            n = self.number("!h")
            yield frequent[-n - 1] if n < 0 else self.bytes(n), self.u64()


def convert(data, folder):
    """Writes the tables of a dump into a folder."""
    reader = Reader(data)
    if reader.u64() != MAGIC:
        raise ValueError("it is not a dump of PyHeap")
    version = reader.u32()
    if version != 1:
        raise ValueError(f"it has version {version}, not 1")
    reader.text()
    flags = reader.u64()

    roots = {}
    for _ in range(reader.u32()):
        thread = reader.text()
        reader.number("!?"), reader.number("!?")
        for _ in range(reader.u32()):
            reader.text(), reader.u32(), reader.text()
            for _ in range(reader.u32()):
                reader.text()
                roots.setdefault(reader.u64(), f"thread {thread}")

    frequent = [reader.bytes(reader.u16()) for _ in range(reader.u32())]
    common = {reader.u64(): dict(reader.attributes(frequent)) for _ in range(reader.u32())}
    objects = {}
    for _ in range(reader.u32()):
        address, of, size = reader.u64(), reader.u64(), reader.u32()
        referents = [reader.u64() for _ in range(reader.u32())]
        attributes = [] if of in common else list(reader.attributes(frequent))
        shown = reader.text() if flags & WITH_REPR else ""
        objects[address] = (of, size, referents, attributes, shown)
    types = {reader.u64(): reader.text() for _ in range(reader.u32())}
    if reader.u64() != MAGIC:
        raise ValueError("it does not end as a dump of PyHeap")

    # What is in the dictionary of an object has the key there by which the object has it.
    keys = {}
    for _, _, _, attributes, _ in objects.values():
        for namespace in (value for name, value in attributes if name == "__dict__" and value in objects):
            known = keys.setdefault(namespace, {})
            for name, value in attributes:
                known.setdefault(value, f"['{name}']")

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "objects.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["address", "type", "name", "value", "size"])
        for address, (of, size, _, _, shown) in objects.items():
            name = types.get(address, "")
            type_name = types.get(of, "object")
            table.writerow([address, type_name, name, shown if type_name in VALUES else "", size])
    with open(folder / "edges.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["parent", "child", "idx", "label"])
        for address, (_, _, referents, attributes, _) in objects.items():
            labels = dict(keys.get(address, {}))
            for name, value in attributes:
                labels.setdefault(value, f".{name}")
            for idx, child in enumerate(referents):
                table.writerow([address, child, idx, labels.get(child, "")])
    with open(folder / "roots.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["address", "kind"])
        table.writerows(roots.items())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(Path(sys.argv[1]).read_bytes(), sys.argv[2])
