"""V8 heap snapshots (Node, Chrome, Electron, Deno) as tables that heaplake imports.

    python heapsnapshot.py app.heapsnapshot tables/
    heaplake import --objects tables/objects.csv --edges tables/edges.csv --roots tables/roots.csv --dump app

The layout of the file is in the file itself (`snapshot.meta`), and nothing else is assumed of it: versions of V8 differ. An address
is the id of a node. References of the kind `weak` keep nothing alive, and `shortcut` ones, which repeat others, are left out
except at the root. So retained sizes are those of nodes without DevTools' rules about pages, and of a WeakMap an entry is held by
the map and not by the key alone.
"""

import csv
import json
import sys
from pathlib import Path

#: Kinds of nodes whose name is a text of the program; the kind is the type.
TEXTS = {"string": "string", "concatenated string": "string", "sliced string": "string"}
#: Kinds whose name is a value.
VALUES = {"number", "bigint", "symbol", "regexp"}
#: Kinds of objects of the program: the name is that of a class.
CLASSES = {"object", "native"}


def columns(values, fields):
    """The columns of a flat list of records."""
    return {field: values[position::len(fields)] for position, field in enumerate(fields)}


def label(kind, name):
    """By what an object refers to another, as heaplake writes it."""
    if kind == "element":
        return f"[{name}]"
    if kind == "hidden":
        return ""
    if kind in ("internal", "shortcut", "weak"):
        return f".<{name}>"
    text = str(name)
    return f".{text}" if text.isidentifier() else f"[{json.dumps(text, ensure_ascii=False)}]"


def convert(snapshot, folder):
    """Writes the tables of a snapshot into a folder."""
    meta, strings = snapshot["snapshot"]["meta"], snapshot["strings"]
    nodes = columns(snapshot["nodes"], meta["node_fields"])
    edges = columns(snapshot["edges"], meta["edge_fields"])
    node_kinds = meta["node_types"][meta["node_fields"].index("type")]
    edge_kinds = meta["edge_types"][meta["edge_fields"].index("type")]
    n_fields = len(meta["node_fields"])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def table(name, header):
        file = open(folder / name, "w", newline="", encoding="utf-8")
        writer = csv.writer(file)
        writer.writerow(header)
        return file, writer

    ids = nodes["id"]
    file, objects = table("objects.csv", ["address", "type", "name", "value", "size"])
    with file:
        for kind, name, address, size in zip(nodes["type"], nodes["name"], ids, nodes["self_size"]):
            kind, name = node_kinds[kind], strings[name].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if kind in TEXTS:
                row = [TEXTS[kind], "", name]
            elif kind in VALUES:
                row = [kind, "", name]
            elif kind in CLASSES:
                row = [name or kind, "", ""]
            else:
                row = [f"({kind})", name, ""]
            objects.writerow([address, *row, size])

    file, references = table("edges.csv", ["parent", "child", "idx", "label", "kind"])
    with file:
        at = 0
        for node, (parent, count) in enumerate(zip(ids, nodes["edge_count"])):
            for idx in range(count):
                kind = edge_kinds[edges["type"][at]]
                name, child = edges["name_or_index"][at], ids[edges["to_node"][at] // n_fields]
                at += 1
                if kind == "shortcut" and node > 0:
                    continue
                name = name if kind in ("element", "hidden") else strings[name]
                references.writerow([parent, child, idx, label(kind, name), "weak" if kind == "weak" else "strong"])

    # The first node is the root of all others.
    file, roots = table("roots.csv", ["address", "kind"])
    with file:
        roots.writerow([ids[0], "heap"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8", errors="surrogatepass") as file:
        convert(json.load(file), sys.argv[2])
