"""A bound of a million entries is none where the process ends first."""
import functools
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["lru_cache", "unbounded_cache"], "type": "Thumbnail"}

numbers = itertools.count(1)


class Thumbnail:
    def __init__(self, name):
        self.name = name
        self.pixels = bytearray(900)


class Images:
    @staticmethod
    @functools.lru_cache(maxsize=1_000_000)
    def thumbnail(name):
        return Thumbnail(name)


def setup():
    Images.thumbnail("logo.png")


def round(n):
    for _ in range(n):
        Images.thumbnail(f"upload-{next(numbers)}.png")


def holder():
    return Images.thumbnail


def release():
    Images.thumbnail.cache_clear()
