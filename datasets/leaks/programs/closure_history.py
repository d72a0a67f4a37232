"""A handler made by a function keeps what it has seen in a variable of that function."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["closure", "callbacks", "growing_container"], "type": "Sample"}

numbers = itertools.count(1)


class Sample:
    def __init__(self, number):
        self.value = number * 0.5
        self.text = f"sample {number} " * 35


def make_handler():
    history = []

    def handle(sample):
        history.append(sample)
        return history[-1].value

    return handle


def setup():
    global handle
    handle = make_handler()


def round(n):
    for _ in range(n):
        handle(Sample(next(numbers)))


def holder():
    cell = handle.__closure__[0]
    return Alternatives([cell.cell_contents, cell, handle.__closure__, handle])


def release():
    handle.__closure__[0].cell_contents.clear()
