"""Runs programs under the Pythons of the machine, with the capture script beside them, and reads the dumps."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from lake import REPOSITORY, environment

PARTS = REPOSITORY / "crates/capture/script"
sys.path.insert(0, str(PARTS))
import join

#: A folder with the script as its users have it, for the import path of programs.
_SCRIPT = tempfile.TemporaryDirectory(prefix="heaplake-script-")
FOLDER = Path(_SCRIPT.name)
join.write(FOLDER)
VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]

#: A hang guard, not a speed claim.
TIMEOUT = 180  # seconds; machines are shared, and a hundred dumps of a program take their time


def pythons():
    """The interpreters of the machine by version: those of pyenv, and the one that runs the tests."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {}
    for version in VERSIONS:
        candidates = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
        if candidates:
            found[version] = candidates[-1]
    found.setdefault("%d.%d" % sys.version_info[:2], Path(sys.executable))
    return found


def start(python, program, *args, **options):
    """Starts a program; it imports heaplake_dump, and its output is caught."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE} | options
    env = environment() | {"PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([str(python), "-u", "-c", program, *map(str, args)], env=env, **options)


def run(python, program, *args):
    """Runs a program that must succeed and say nothing on stderr; its output."""
    process = start(python, program, *args)
    try:
        output, error = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    assert (process.returncode, error.decode()) == (0, ""), error.decode()
    return output.decode()


def text(path):
    """The decompressed content of a dump."""
    data = Path(path).read_bytes()
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("ascii")


def short(type_name):
    """The name of a type without its module."""
    return type_name.rpartition(".")[2]


class Heap:
    """The objects of a dump, by address."""

    def __init__(self, path):
        lines = [json.loads(line) for line in text(path).splitlines()]
        self.header, self.end = lines[0], lines[-1]
        assert self.header["type"] == self.end["type"] == "heaplake capture"
        self.objects = {line["address"]: line for line in lines[1:-1]}
        assert len(self.objects) == len(lines) - 2 == self.end["end"]["objects"], "an address is there twice"
        for line in self.objects.values():
            for field in ("labels",):
                assert len(line.get(field, line["refs"])) == len(line["refs"]), line

    def all(self, type_name):
        """The objects of a type; a name without a dot is the name without the module."""
        def is_meant(name):
            return name == type_name or ("." not in type_name and short(name) == type_name)
        return [obj for obj in self.objects.values() if is_meant(obj["type"])]

    def one(self, type_name, **fields):
        found = [obj for obj in self.all(type_name) if all(obj.get(name) == value for name, value in fields.items())]
        assert len(found) == 1, (type_name, fields, len(found))
        return found[0]

    def edges(self, obj):
        """Label and object of every reference; an object that is not in the dump is an error."""
        labels = obj.get("labels", [None] * len(obj["refs"]))
        return [(label, self.objects[address]) for label, address in zip(labels, obj["refs"])]

    def labels(self, obj):
        return [label for label, _ in self.edges(obj)]

    def follow(self, obj, *labels):
        """The object at the end of labels."""
        for label in labels:
            found = [child for name, child in self.edges(obj) if name == label]
            assert found, f"{label} is not among {self.labels(obj)} of {obj['type']}"
            obj = found[0]
        return obj

    def attribute(self, obj, name):
        """An attribute of an instance, wherever this version of Python keeps it."""
        labels = self.labels(obj)
        if "." + name in labels:
            return self.follow(obj, "." + name)
        return self.follow(obj, ".__dict__", f"['{name}']")

    def unexplained(self):
        """By address of the objects whose references are counted, how many of these the dump does not explain."""
        explained = Counter()
        for line in self.objects.values():
            weak = line.get("weak", ())
            explained.update(ref for i, ref in enumerate(line["refs"]) if i not in weak)
        counted = {address: line for address, line in self.objects.items() if "refcount" in line}
        return {address: line["refcount"] - explained[address] for address, line in counted.items()}

    def main(self, name):
        """A global of the program."""
        return self.follow(self.one("module", name="__main__"), ".__dict__", f"['{name}']")
