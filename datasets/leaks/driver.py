"""Runs one program of programs/ and writes its dumps at five moments, and its truth.

usage: python3 driver.py PROGRAM.py FOLDER [--dressing plain|service] [--moments 5] [--forms capture,meliae]

`heaplake_dump` must be importable. In the plain dressing the program is `__main__`; in the service dressing it is the module
`app`, and serves its requests among those of `service.py`. README.md says what a program has.

FOLDER gets N.dump.gz (capture), N.meliae.gz (lines of meliae's form: what the collector sees, no label, no root) and
truth.json. What is measured for the truth is measured after the last dump: `release` lets the leak go, and the bytes and the
objects of the leaking type that the process then no longer has are what the holder retained.
"""

import argparse
import gc
import gzip
import importlib.util
import json
import os
import sys
import time
import types
import warnings
from pathlib import Path

#: Requests between two moments, unless the program says another number.
REQUESTS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dressing", choices=["plain", "service"], default="plain")
    parser.add_argument("--moments", type=int, default=5)
    parser.add_argument("--forms", default="capture,meliae")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    program = load(options.program, "__main__" if options.dressing == "plain" else "app")
    run = Run(program, options)
    run.all_moments()
    truth = run.truth()
    (options.folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    sys.stdout.flush()
    # Threads and exit handlers of a program that leaks them are not waited for.
    os._exit(0)


def load(path, name):
    """The program as a module of that name; the driver steps aside if the name is its own."""
    sys.modules.setdefault("driver", sys.modules["__main__"])
    globals()["__name__"] = "driver"
    spec = importlib.util.spec_from_file_location(name, str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Run:
    """One program on its way through the moments."""

    def __init__(self, program, options):
        self.program = program
        self.options = options
        self.declared = program.TRUTH
        self.requests = self.declared.get("requests", REQUESTS)
        self.moments = []
        self.forms = options.forms.split(",")
        self.service = None

    def all_moments(self):
        if self.options.dressing == "service":
            sys.path.insert(0, str(Path(__file__).resolve().parent))
            import service

            self.service = service.Service()
            self.service.start()
        self.program.setup()
        for number in range(1, self.options.moments + 1):
            if self.service is None:
                self.program.round(self.requests)
            else:
                self.service.serve(max(REQUESTS, self.requests), self.program.round, self.requests)
            self.dump(number)

    def dump(self, number):
        moment = {"time": time.time(), "holders": [id(obj) for obj in self.holders()]}
        moment["count"] = census(self.type_names())[0]
        if "capture" in self.forms:
            import heaplake_dump

            moment["capture"] = f"{number}.dump.gz"
            heaplake_dump.dump(str(self.options.folder / moment["capture"]))
        if "meliae" in self.forms:
            moment["meliae"] = f"{number}.meliae.gz"
            in_child(write_meliae, str(self.options.folder / moment["meliae"]))
        self.moments.append(moment)

    def holders(self):
        """The objects that count as the holder, the best first."""
        if not self.declared["leaks"]:
            return []
        found = self.program.holder()
        return found if isinstance(found, Alternatives) else [found]

    def type_names(self):
        name = self.declared.get("type", ())
        return [name] if isinstance(name, str) else list(name)

    def truth(self):
        """What was so: holder, counts and bytes, as the process itself shows them."""
        declared = dict(self.declared)
        declared.update(
            program=self.options.program.stem,
            why=self.program.__doc__.strip(),
            dressing=self.options.dressing,
            python="%d.%d.%d" % sys.version_info[:3],
            type=self.type_names(),
            idiom=as_list(declared.get("idiom", [])),
            requests=self.requests,
        )
        if self.declared["leaks"]:
            holders = self.holders()
            declared["holder_type"] = type(holders[0]).__name__ if holders else None
            within = [id(part) for obj in holders for part in inside(obj)]
            for moment in self.moments:
                moment["holders"] += [address for address in within if address not in moment["holders"]]
            del holders
            declared.update(self.released())
            per_object = declared["released_bytes"] / max(1, declared["released_count"])
            rest = self.moments[-1]["count"] - declared["released_count"]
            for moment in self.moments:
                moment["count"] = max(0, moment["count"] - rest)
                moment["bytes"] = round(moment["count"] * per_object)
        declared["moments"] = self.moments
        return declared

    def released(self):
        """Objects of the leaking type and bytes that the process no longer has once the holder let go."""
        if "bytes_per_request" in self.declared:
            # Memory outside of all objects: nothing can be counted, so the program says it.
            n = self.requests * len(self.moments)
            return {"released_count": n, "released_bytes": n * self.declared["bytes_per_request"]}
        if self.service is not None:
            self.service.stop()
        if not self.declared.get("garbage"):
            gc.collect()
        names = self.type_names()
        n_before, bytes_before = census(names, all_objects=True)
        self.program.release()
        gc.enable()
        gc.collect()
        gc.collect()
        n_after, bytes_after = census(names, all_objects=True)
        return {"released_count": n_before - n_after, "released_bytes": bytes_before - bytes_after}


class Alternatives(list):
    """Several objects that a person would accept as the holder."""


def as_list(value):
    return [value] if isinstance(value, str) else list(value)


def inside(obj):
    """The dictionary in which an object has its attributes, or a cache its entries: the same holder by another address."""
    if isinstance(obj, (type, types.ModuleType)):
        return []
    parts = []
    attributes = getattr(obj, "__dict__", None)
    if type(attributes) is dict:
        parts.append(attributes)
    if type(obj).__name__ == "_lru_cache_wrapper":
        parts += [part for part in gc.get_referents(obj) if type(part) is dict]
    return parts


# What the collector sees ---------------------------------------------------------------------------------------------


def everything():
    """Every object that the collector knows or that such an object refers to; the caller's own are among them."""
    listed = gc.get_objects()
    seen = {id(obj): obj for obj in listed}
    waiting = listed
    while waiting:
        found = {}
        for at in range(0, len(waiting), 1000):
            for obj in gc.get_referents(*waiting[at : at + 1000]):
                if id(obj) not in seen:
                    found[id(obj)] = obj
        seen.update(found)
        waiting = list(found.values())
    seen.pop(id(listed), None)
    return seen


def census(names, all_objects=False):
    """How many objects are of the first of these types, and the bytes of all objects (0 unless `all_objects`)."""
    name = names[0] if names else None
    if all_objects or name in ("str", "bytes", "int", "float", "tuple"):
        objects = everything().values()
    else:
        objects = gc.get_objects()
    n = sum(1 for obj in objects if type(obj).__name__ == name)
    return n, sum(map(sys.getsizeof, objects)) if all_objects else 0


def write_meliae(path):
    """Lines of meliae's form (docs/formats/meliae.md)."""
    own = {id(frame) for frame in frames()}
    with gzip.open(path, "wt", compresslevel=1, encoding="ascii") as out:
        own.add(id(out))
        objects = everything()
        own.add(id(objects))
        for address, obj in objects.items():
            if address not in own:
                out.write(line(address, obj))


def frames():
    """Running frames of this writer and of the driver that called it."""
    frame = sys._getframe()
    while frame is not None and frame.f_globals is globals():
        yield frame
        frame = frame.f_back


def line(address, obj):
    cls = type(obj)
    fields = {"address": address, "type": cls.__name__, "size": sys.getsizeof(obj)}
    if cls in (str, bytes, list, tuple, dict, set, frozenset):
        fields["len"] = len(obj)
    if cls is str:
        fields["value"] = obj[:100]
    elif cls is bytes:
        fields["value"] = obj[:100].decode("latin-1")
    elif cls is bool:
        fields["value"] = str(obj)
    elif cls is int and obj.bit_length() < 100:
        fields["value"] = obj
    elif cls is types.FrameType:
        fields["value"] = obj.f_code.co_name
    elif cls in (types.ModuleType, types.FunctionType) or isinstance(obj, type):
        fields["name"] = type.__getattribute__(obj, "__name__") if isinstance(obj, type) else obj.__name__
    fields["refs"] = [id(ref) for ref in gc.get_referents(obj)]
    return json.dumps(fields) + "\n"


def in_child(function, *args):
    """Calls a function in a fork, so that the program does not notice what it does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        code = 1
        try:
            gc.disable()
            function(*args)
            code = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{function.__name__}{args} failed")


if __name__ == "__main__":
    main()
