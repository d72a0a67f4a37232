"""A keyword-only argument with a dictionary as default, used as a memory between calls."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["mutable_default", "growing_container", "unbounded_cache"], "type": "Profile"}

numbers = itertools.count(1)


class Profile:
    def __init__(self, number):
        self.number = number
        self.history = [f"visit {number} {i}" for i in range(7)]


class Loader:
    def load(self, number, *, known={}):
        if number not in known:
            known[number] = Profile(number)
        return known[number]


def setup():
    global loader
    loader = Loader()
    loader.load(0)


def round(n):
    for _ in range(n):
        loader.load(next(numbers))


def holder():
    function = Loader.load
    return Alternatives([function.__kwdefaults__["known"], function.__kwdefaults__, function])


def release():
    Loader.load.__kwdefaults__["known"].clear()
