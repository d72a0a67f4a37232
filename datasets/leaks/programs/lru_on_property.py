"""A cached property on lru_cache of a handler class: each handler lives as long as the class."""
import functools
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["lru_cache_method", "lru_cache", "unbounded_cache"], "type": "Handler"}

numbers = itertools.count(1)


class Handler:
    def __init__(self, number):
        self.number = number
        self.body = "{" + f"'n': {number}, " * 40 + "}"

    @functools.lru_cache(maxsize=100_000)
    def _permissions(self):
        return frozenset((self.number, self.number + 1))

    @property
    def permissions(self):
        return self._permissions()


def setup():
    Handler(0).permissions


def round(n):
    for _ in range(n):
        assert Handler(next(numbers)).permissions


def holder():
    return Handler._permissions


def release():
    Handler._permissions.cache_clear()
