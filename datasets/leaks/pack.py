"""Makes dumps/: the dumps of a few open programs under two versions, for tests that run no program; and compares them with manifest.json.

usage: python3 pack.py            compares the archives with manifest.json, without heaplake
       python3 pack.py --write    runs the programs again and makes archives and manifest anew

An archive has the captures of a version, in one xz stream. A dump is kept as its difference from the one before it in the
archive: `=FIRST,COUNT` stands for that many lines of that dump, any other line for itself. The programs run without
address randomisation (setarch -R) and with a fixed hash seed, so that most lines are the same. Lines of meliae's form are made
of captures (`as_meliae`).
"""

import gzip
import hashlib
import io
import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
DUMPS = HERE / "dumps"
MANIFEST = DUMPS / "manifest.json"
VERSIONS = ["3.8", "3.13"]
MOMENTS = 3
FORMS = ["capture", "meliae"]
#: Types whose value is their bound, which meliae does not know.
BOUNDED = ("collections.deque", "functools._lru_cache_wrapper")
RUNS = [
    ("audit_list", "plain"),
    ("topic_callbacks", "plain"),
    ("lru_on_method", "plain"),
    ("versions_of_config", "plain"),
    ("recursive_closures", "plain"),
    ("control_lru_fills", "plain"),
    ("control_reload", "plain"),
]


def archive(version):
    return DUMPS / f"py{version}.tar.xz"


def members(version):
    """Name and content of every dump in the archive of a version: captures as they were written."""
    base = []
    with tarfile.open(archive(version), "r:xz") as packed:
        for member in packed:
            base = patched(packed.extractfile(member).read().splitlines(True), base)
            yield member.name, b"".join(base)


def difference(lines, base):
    """The lines, in terms of those of another dump."""
    position = {line: at for at, line in enumerate(base)}
    out = []
    first = n = 0
    for line in lines:
        at = position.get(line)
        if n and at == first + n:
            n += 1
            continue
        if n:
            out.append(b"=%d,%d\n" % (first, n))
            n = 0
        if at is None:
            out.append(line)
        else:
            first, n = at, 1
    if n:
        out.append(b"=%d,%d\n" % (first, n))
    return out


def patched(lines, base):
    """The inverse of `difference`."""
    out = []
    for line in lines:
        if line.startswith(b"="):
            first, n = map(int, line[1:].split(b","))
            out += base[first : first + n]
        else:
            out.append(line)
    return out


def as_meliae(capture):
    """A capture as lines of meliae's form: no label, no root, no weak reference, no bound of a container, no line about the dump."""
    out = []
    for text in capture.splitlines():
        line = json.loads(text)
        if line["type"] == "heaplake capture":
            continue
        weak = set(line.pop("weak", ()))
        for field in ("labels", "root"):
            line.pop(field, None)
        if line["type"] in BOUNDED:
            line.pop("value", None)
        line["refs"] = [ref for at, ref in enumerate(line["refs"]) if at not in weak]
        out.append(json.dumps(line))
    return "\n".join(out).encode() + b"\n"


def counts(data):
    """What the manifest says of one dump, counted without heaplake."""
    objects = edges = size = 0
    for text in data.splitlines():
        line = json.loads(text)
        if line["type"] != "heaplake capture":
            objects, edges, size = objects + 1, edges + len(line["refs"]), size + line["size"]
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "objects": objects, "edges": edges, "size": size}


def run(version, program, dressing, folder):
    """Runs a program; its truth and its dumps in the order of the moments."""
    sys.path[:0] = [str(REPOSITORY / "bench"), str(REPOSITORY / "crates" / "capture" / "script")]
    import join
    import suspects

    join.write(folder)
    place = folder / version / program
    command = ["setarch", "-R", suspects.pythons()[version], "-S", "-B", "-W", "ignore::DeprecationWarning", HERE / "driver.py"]
    command += [HERE / "programs" / f"{program}.py", place, "--dressing", dressing, "--moments", MOMENTS, "--forms", "capture"]
    env = {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    subprocess.run(list(map(str, command)), env=env, check=True)
    truth = json.loads((place / "truth.json").read_text())
    dumps = [gzip.decompress((place / moment.pop("capture")).read_bytes()) for moment in truth["moments"]]
    places = [str(REPOSITORY), str(Path(suspects.pythons()[version]).resolve().parents[2]), str(folder)]
    return truth, [without_places(data, places) for data in dumps]


def without_places(data, places):
    """A dump without the paths of the machine that made it: others of the same length stand for them."""
    for place in places:
        data = data.replace(place.encode(), b"/" + b"x" * (len(place) - 1))
    return data


def write():
    DUMPS.mkdir(exist_ok=True)
    manifest = []
    for version in VERSIONS:
        packed, base = io.BytesIO(), []
        with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=packed, mode="w") as tar:
            for program, dressing in RUNS:
                truth, dumps = run(version, program, dressing, Path(folder))
                entry = {"archive": archive(version).name, "origin": f"{program}.py, CPython {truth['python']}", "dumps": []}
                for number, data in enumerate(dumps, 1):
                    lines = data.splitlines(True)
                    kept = b"".join(difference(lines, base))
                    base = lines
                    member = tarfile.TarInfo(f"{program}/{number}")
                    member.size = len(kept)
                    tar.addfile(member, io.BytesIO(kept))
                    entry["dumps"].append({"path": member.name, "moment": number, **counts(data)})
                manifest.append({**entry, "truth": truth})
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 20}]
        archive(version).write_bytes(lzma.compress(packed.getvalue(), filters=filters))
        print(f"{archive(version).name}: {len(packed.getvalue()):,} bytes, packed {archive(version).stat().st_size:,}")
    MANIFEST.write_text(json.dumps(manifest, indent=1) + "\n")


def check():
    manifest = json.loads(MANIFEST.read_text())
    wanted = {(entry["archive"], dump["path"]): dump for entry in manifest for dump in entry["dumps"]}
    found = {}
    for version in VERSIONS:
        for name, data in members(version):
            found[archive(version).name, name] = counts(data)
    if found.keys() != wanted.keys():
        sys.exit("manifest.json does not list what is there")
    for name, counted in found.items():
        if any(wanted[name][field] != value for field, value in counted.items()):
            sys.exit(f"{'/'.join(name)} is not as manifest.json says")
    print(f"{len(found)} dumps are as manifest.json says")


if __name__ == "__main__":
    write() if "--write" in sys.argv else check()
