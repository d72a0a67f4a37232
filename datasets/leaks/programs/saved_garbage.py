"""gc.DEBUG_SAVEALL was left on after a hunt: what the collector finds goes to gc.garbage and stays there."""
import gc
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["uncollectable", "garbage_cycle", "growing_container"], "type": ["Pair", "dict"]}

numbers = itertools.count(1)


class Pair:
    def __init__(self, number):
        self.other = self
        self.text = f"pair {number} " * 30


def setup():
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)


def round(n):
    for _ in range(n):
        Pair(next(numbers))
    gc.collect()


def holder():
    return gc.garbage


def release():
    gc.set_debug(0)
    gc.garbage.clear()
    gc.collect()
