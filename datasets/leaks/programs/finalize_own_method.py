"""weakref.finalize(self, self.close): the finalizer keeps the object whose end it waits for."""
import itertools
import weakref
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["finalizer", "callbacks", "growing_container"], "type": ["TempFile", "finalize", "_Info", "method"]}

numbers = itertools.count(1)


class TempFile:
    def __init__(self, number):
        self.path = f"/tmp/upload-{number}"
        self.buffer = bytes(600)
        weakref.finalize(self, self.close).atexit = False

    def close(self):
        self.buffer = b""


def setup():
    pass


def round(n):
    for _ in range(n):
        TempFile(next(numbers))


def holder():
    return Alternatives([weakref.finalize._registry, weakref.finalize])


def release():
    for finalizer in [f for f in weakref.finalize._registry if type(f.peek()[0] if f.peek() else None) is TempFile]:
        finalizer.detach()
