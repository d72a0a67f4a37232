"""def collect(item, into=[]): the list is made once, with the function."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["mutable_default", "growing_container"], "type": "Upload"}

numbers = itertools.count(1)


class Upload:
    def __init__(self, number):
        self.name = f"file-{number}.csv"
        self.content = b"%d;" % number * 200


def collect(item, into=[]):
    into.append(item)
    return into


def setup():
    pass


def round(n):
    for _ in range(n):
        collect(Upload(next(numbers)))


def holder():
    return Alternatives([collect.__defaults__[0], collect.__defaults__, collect])


def release():
    collect.__defaults__[0].clear()
