"""One list of numbers, for a median that is asked for once a day."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["growing_container", "huge_object"], "type": "float"}

numbers = itertools.count(1)


class Median:
    def __init__(self):
        self.values = []


def setup():
    global median
    median = Median()


def round(n):
    for _ in range(n):
        number = next(numbers)
        median.values.extend(number / (i + 3) for i in range(20))


def holder():
    return Alternatives([median.values, median])


def release():
    median.values.clear()
