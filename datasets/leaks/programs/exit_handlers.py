"""Every connection registers its own end with atexit, and no ended connection takes that back."""
import atexit
import gc
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["external_reference", "callbacks", "listener_registry"], "type": ["Link", "method"]}

numbers = itertools.count(1)


class Link:
    def __init__(self, number):
        self.peer = f"10.0.{number // 256}.{number % 256}"
        self.buffer = bytes(700)
        atexit.register(self.close)

    def close(self):
        self.buffer = b""


def setup():
    pass


def round(n):
    for _ in range(n):
        Link(next(numbers))


def holder():
    links = [obj for obj in gc.get_objects() if type(obj) is Link]
    methods = [obj for obj in gc.get_objects() if type(getattr(obj, "__self__", None)) is Link]
    return Alternatives([None, atexit, *links, *methods])


def release():
    atexit._clear()
