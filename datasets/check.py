"""Counts the dumps of this folder with nothing but the standard library and compares with manifest.json.

usage: check.py [--write]        --write makes manifest.json anew
"""
import gzip
import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
TYPES = ["CapaDescriptor", "CombinedSystem", "LmsModuleSystem", "dict", "str"]


def describe(path):
    """Everything that the manifest says of one dump."""
    packed = path.read_bytes()
    objects, edges, size, counts, seen, children = 0, 0, 0, {}, set(), []
    for line in gzip.decompress(packed).splitlines():
        one = json.loads(line)
        objects += 1
        edges += len(one["refs"])
        size += one["size"]
        counts[one["type"]] = counts.get(one["type"], 0) + 1
        seen.add(one["address"])
        children.extend(one["refs"])
    folder = path.parent.name
    return {
        "path": path.relative_to(HERE).as_posix(),
        "origin": f"the edX leak rebuilt, CPython {folder[2]}.{folder[3:]}, meliae 0.5.1, moment {path.name[0]} of 3",
        "bytes": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "objects": objects,
        "duplicates": objects - len(seen),
        "edges": edges,
        "dangling": sum(child not in seen for child in children),
        "unreferenced": len(seen.difference(children)),
        "size": size,
        "types": {name: counts.get(name, 0) for name in TYPES},
    }


def main():
    found = [describe(path) for path in sorted(HERE.glob("edx/*/*.dump.gz"))]
    manifest = HERE / "manifest.json"
    if "--write" in sys.argv:
        manifest.write_text(json.dumps(found, indent=1) + "\n")
    if json.loads(manifest.read_text()) != found:
        sys.exit("manifest.json does not say what is there")
    print(f"{len(found)} dumps are as manifest.json says")


if __name__ == "__main__":
    main()
