"""A parser behind lru_cache(maxsize=None), called with texts that are all different."""
import functools
import itertools

TRUTH = {"held": False, "leaks": True, "idiom": ["lru_cache", "unbounded_cache"], "type": "Query"}

numbers = itertools.count(1)


class Query:
    def __init__(self, text):
        self.words = text.split()
        self.plan = {word: len(word) for word in self.words}


@functools.lru_cache(maxsize=None)
def parse(text):
    return Query(text)


def setup():
    parse("select nothing")


def round(n):
    for _ in range(n):
        number = next(numbers)
        parse(f"select name{number} from t where id = {number}")


def holder():
    return parse


def release():
    parse.cache_clear()
