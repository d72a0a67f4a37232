"""A function inside a function that calls itself is a cycle; the threshold of the collector is so high that it never comes."""
import gc
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": "garbage_cycle", "type": ["function", "cell", "Tree"], "garbage": True}

numbers = itertools.count(1)


class Tree:
    def __init__(self, number):
        self.text = f"tree {number} " * 25
        self.children = []


def depth(tree):
    def walk(node):
        return 1 + max([walk(child) for child in node.children if tree], default=0)

    return walk(tree)


def setup():
    gc.set_threshold(1_000_000)


def round(n):
    for _ in range(n):
        depth(Tree(next(numbers)))


def holder():
    import types

    trees = [obj for obj in gc.get_objects() if isinstance(obj, Tree)]
    walks = [obj for obj in gc.get_objects() if isinstance(obj, types.FunctionType) and obj.__qualname__ == "depth.<locals>.walk"]
    cells = [cell for walk in walks for cell in walk.__closure__]
    return Alternatives([None, *trees, *walks, *cells, *[walk.__closure__ for walk in walks]])


def release():
    gc.collect()
