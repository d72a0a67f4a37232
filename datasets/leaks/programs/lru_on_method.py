"""lru_cache on a method: the cache of the class keeps every `self`."""
import functools
import itertools

TRUTH = {"held": False, "leaks": True, "idiom": ["lru_cache_method", "lru_cache", "unbounded_cache"], "type": "Basket"}

numbers = itertools.count(1)


class Basket:
    def __init__(self, number):
        self.number = number
        self.items = [f"item {number}.{i}" for i in range(8)]

    @functools.lru_cache(maxsize=None)
    def total(self, currency):
        return len(self.items) * 1.5


def setup():
    pass


def round(n):
    for _ in range(n):
        Basket(next(numbers)).total("EUR")


def holder():
    return Basket.total


def release():
    Basket.total.cache_clear()
