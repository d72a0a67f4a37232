"""One ExitStack for the life of the process, to which each request pushes what it opens."""
import contextlib
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["listener_registry", "callbacks", "growing_container"], "type": ["Opened", "tuple", "method"]}

numbers = itertools.count(1)


class Opened:
    def __init__(self, number):
        self.name = f"opened {number}"
        self.data = f"{number}," * 120

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def setup():
    global stack
    stack = contextlib.ExitStack()


def round(n):
    for _ in range(n):
        stack.enter_context(Opened(next(numbers)))


def holder():
    return Alternatives([stack._exit_callbacks, stack])


def release():
    stack.pop_all().close()
