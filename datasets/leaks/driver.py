"""Runs one program of programs/ and writes its dumps at five moments, and its truth.

usage: python3 driver.py PROGRAM.py FOLDER [--dressing plain|service] [--moments 5] [--forms capture,meliae]

`heaplake_dump` must be importable. In the plain dressing the program is `__main__`; in the service dressing it is the module
`app`, and serves its requests among those of `service.py`. README.md says what a program has.

FOLDER gets N.dump.gz (capture), N.meliae.gz (lines of meliae's form: what the collector sees, no label, no root) and
truth.json. What is measured for the truth is measured after the last dump: `release` lets the leak go, and the bytes and the
objects of the leaking type that the process then no longer has are what the holder retained. What is noted at each moment goes
to a file at once: notes that stayed in memory would grow from dump to dump, in the heap that is judged.
"""

import gc
import os
import sys
import time

# What only the child of a fork or the end of the run needs is imported there: the heap is to be the program's.

FRAME, FUNCTION = type(sys._getframe()), type(lambda: None)

#: Requests between two moments, unless the program says another number.
REQUESTS = 60


class Options:
    """The command line."""

    def __init__(self, words):
        self.dressing, self.moments, self.forms = "plain", 5, "capture,meliae"
        positional = []
        while words:
            word = words.pop(0)
            if word.startswith("--"):
                setattr(self, word[2:], words.pop(0))
            else:
                positional.append(word)
        self.program, self.folder = positional
        self.moments = int(self.moments)
        self.name = os.path.basename(self.program)[: -len(".py")]


def main():
    options = Options(sys.argv[1:])
    os.makedirs(options.folder, exist_ok=True)
    program = load(options.program, "__main__" if options.dressing == "plain" else "app")
    run = Run(program, options)
    run.all_moments()
    truth = run.truth()
    import json

    with open(os.path.join(options.folder, "truth.json"), "w") as file:
        file.write(json.dumps(truth, indent=1) + "\n")
    # Threads and exit handlers of a program that leaks them are not waited for.
    os._exit(0)


def load(path, name):
    """The program as a module of that name; the driver steps aside if the name is its own."""
    sys.modules.setdefault("driver", sys.modules["__main__"])
    globals()["__name__"] = "driver"
    module = type(sys)(name)
    module.__file__ = path
    sys.modules[name] = module
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec")
    exec(code, module.__dict__)
    return module


class Run:
    """One program on its way through the moments."""

    def __init__(self, program, options):
        self.program = program
        self.options = options
        self.declared = program.TRUTH
        self.requests = self.declared.get("requests", REQUESTS)
        self.forms = options.forms.split(",")
        self.service = None
        self.notes_path = os.path.join(options.folder, "notes")
        self.notes = os.open(self.notes_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def all_moments(self):
        if self.options.dressing == "service":
            sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
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
        holders = ["null" if obj is None else str(id(obj)) for obj in self.holders()]
        os.write(self.notes, f'{{"time": {time.time()!r}, "holders": [{", ".join(holders)}]}}\n'.encode())
        del holders
        if "capture" in self.forms:
            import heaplake_dump

            heaplake_dump.dump(os.path.join(self.options.folder, f"{number}.dump.gz"))
        if "meliae" in self.forms:
            in_child(write_meliae, os.path.join(self.options.folder, f"{number}.meliae.gz"))

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
            program=self.options.name,
            why=self.program.__doc__.strip(),
            dressing=self.options.dressing,
            python="%d.%d.%d" % sys.version_info[:3],
            type=self.type_names(),
            idiom=as_list(declared.get("idiom", [])),
            requests=self.requests,
        )
        if self.declared["leaks"]:
            in_child(self.note_holders, self.holders())
            declared.update(self.released())
        declared["moments"] = self.noted(declared)
        return declared

    def note_holders(self, holders):
        """Notes the type of the holder and what counts as the same holder; to ask may make objects, therefore in a child."""
        name = type(holders[0]).__name__ if holders else ""
        within = [str(id(part)) for obj in holders if obj is not None for part in inside(obj)]
        os.write(self.notes, f'{{"holder_type": "{name}", "within": [{", ".join(within)}]}}\n'.encode())

    def noted(self, declared):
        """The moments with what was noted, and with what was leaked at each: every round leaks the same."""
        import json

        with open(self.notes_path) as file:
            notes = [json.loads(line) for line in file]
        os.remove(self.notes_path)
        moments = [note for note in notes if "time" in note]
        for note in notes:
            if "within" in note:
                declared["holder_type"] = note["holder_type"] or None
                for moment in moments:
                    moment["holders"] += [address for address in note["within"] if address not in moment["holders"]]
        for number, moment in enumerate(moments, 1):
            if "capture" in self.forms:
                moment["capture"] = f"{number}.dump.gz"
            if "meliae" in self.forms:
                moment["meliae"] = f"{number}.meliae.gz"
            if self.declared["leaks"]:
                share = number / len(moments)
                moment["count"] = round(declared["released_count"] * share)
                moment["bytes"] = round(declared["released_bytes"] * share)
        return moments

    def released(self):
        """Objects of the leaking type and bytes that the process no longer has once the holder let go."""
        if "bytes_per_request" in self.declared:
            # Memory outside of all objects: nothing can be counted, so the program says it.
            n = self.requests * self.options.moments
            n_bytes = n * self.declared["bytes_per_request"]
            return {"counted_type": None, "released_count": n, "released_bytes": n_bytes}
        if self.service is not None:
            self.service.stop()
        if not self.declared.get("garbage"):
            gc.collect()
        names = self.type_names()
        before, bytes_before = census(names)
        self.program.release()
        gc.enable()
        gc.collect()
        gc.collect()
        after, bytes_after = census(names)
        counted = next((name for name in names if before[name] > after[name]), names[0])
        return {
            "counted_type": counted,
            "released_count": before[counted] - after[counted],
            "released_bytes": bytes_before - bytes_after,
        }


class Alternatives(list):
    """Several objects that a person would accept as the holder."""


def as_list(value):
    return [value] if isinstance(value, str) else list(value)


def inside(obj):
    """The dictionary in which an object has its attributes, or a cache its entries: the same holder by another address."""
    if isinstance(obj, (type, type(sys))):
        return []
    parts = [part for part in gc.get_referents(obj) if type(part) is dict]
    if type(obj).__name__ == "_lru_cache_wrapper":
        return parts
    # Since CPython 3.11 one that was never asked for does not exist, and the object does not refer to it.
    attributes = getattr(obj, "__dict__", None)
    return [part for part in parts if part is attributes]


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


def census(names):
    """How many objects there are of each of these types, and the bytes of all objects."""
    found = everything()
    for obj in list(found.values()):
        if type(obj) is dict:
            # A dictionary of nothing but strings does not show its keys to the collector.
            found.update((id(key), key) for key in obj if type(key) is str)
    objects = found.values()
    counts = dict.fromkeys(names, 0)
    for obj in objects:
        name = type(obj).__name__
        if name in counts:
            counts[name] += 1
    return counts, sum(map(sys.getsizeof, objects))


def write_meliae(path):
    """Lines of meliae's form (docs/formats/meliae.md)."""
    own = {id(frame) for frame in frames()}
    objects = everything()
    own.update((id(objects), id(own)))
    # All is looked at before anything is imported for the writing, which would be in the dump and change what refers to it.
    seen = [(obj, sys.getsizeof(obj), list(map(id, gc.get_referents(obj)))) for address, obj in objects.items() if address not in own]
    import gzip

    with gzip.open(path, "wt", compresslevel=1, encoding="ascii") as out:
        for obj, size, refs in seen:
            out.write(line(obj, size, refs))


def frames():
    """Running frames of this writer and of the driver that called it."""
    frame = sys._getframe()
    while frame is not None and frame.f_globals is globals():
        yield frame
        frame = frame.f_back


def line(obj, size, refs):
    from json.encoder import encode_basestring_ascii as quote

    cls = type(obj)
    fields = ""
    if cls in (str, bytes, list, tuple, dict, set, frozenset):
        fields = f', "len": {len(obj)}'
    if cls is str:
        fields += f', "value": {quote(obj[:100])}'
    elif cls is bytes:
        fields += f', "value": {quote(obj[:100].decode("latin-1"))}'
    elif cls is bool:
        fields += f', "value": "{obj}"'
    elif cls is int and obj.bit_length() < 100:
        fields += f', "value": {obj}'
    elif cls is FRAME:
        fields += f', "value": {quote(obj.f_code.co_name)}'
    elif cls is FUNCTION or cls is type(sys):
        fields += f', "name": {quote(obj.__name__)}'
    elif issubclass(cls, type):
        fields += f', "name": {quote(type.__dict__["__name__"].__get__(obj))}'
    refs = ", ".join(map(str, refs))
    return f'{{"address": {id(obj)}, "type": {quote(cls.__name__)}, "size": {size}{fields}, "refs": [{refs}]}}\n'


def in_child(function, *args):
    """Calls a function in a fork, so that the program does not notice what it does."""
    # With -W ignore::DeprecationWarning a fork beside threads warns of nothing.
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
