"""A configuration that knows the one before it, and so all before."""
import itertools

TRUTH = {"held": False, "leaks": True, "idiom": "chain", "type": "Config"}

numbers = itertools.count(1)


class Config:
    def __init__(self, values, previous):
        self.values = values
        self.previous = previous


def setup():
    global current
    current = Config({}, None)


def round(n):
    global current
    for _ in range(n):
        number = next(numbers)
        current = Config({f"key{i}": f"value {number} {i}" for i in range(6)}, current)


def holder():
    return current


def release():
    current.previous = None
