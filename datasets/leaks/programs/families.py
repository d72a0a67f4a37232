"""Parents and children refer to each other, and the collector is off, as somebody's tuning guide said."""
import gc
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "garbage_cycle", "type": ["Parent", "Child"], "garbage": True}

numbers = itertools.count(1)


class Child:
    def __init__(self, parent, number):
        self.parent = parent
        self.name = f"child {number} " * 10


class Parent:
    def __init__(self, number):
        self.children = [Child(self, number + i) for i in range(2)]


def setup():
    gc.disable()


def round(n):
    for _ in range(n):
        Parent(next(numbers))


def holder():
    found = [obj for obj in gc.get_objects() if isinstance(obj, (Parent, Child))]
    return Alternatives([None, *found, *[obj.children for obj in found if isinstance(obj, Parent)]])


def release():
    gc.collect()
