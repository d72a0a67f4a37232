"""A cache of two generations: when the young one is full, it becomes the old one, and the old one goes."""
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Fragment:
    def __init__(self, number):
        self.html = f"<li>{number}</li>" * 30


class Generations:
    def __init__(self, size):
        self.size = size
        self.young, self.old = {}, {}

    def put(self, key, value):
        if len(self.young) >= self.size:
            self.old, self.young = self.young, {}
        self.young[key] = value


def setup():
    global cache
    cache = Generations(80)


def round(n):
    for _ in range(n):
        number = next(numbers)
        cache.put(number, Fragment(number))
