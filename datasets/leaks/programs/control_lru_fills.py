"""A cache with maxsize=200 that fills, and is full at the fourth moment."""
import functools
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Avatar:
    def __init__(self, number):
        self.number = number
        self.image = b"%d" % number + bytes(500)


@functools.lru_cache(maxsize=200)
def avatar(number):
    return Avatar(number)


def setup():
    pass


def round(n):
    for _ in range(n):
        avatar(next(numbers))
