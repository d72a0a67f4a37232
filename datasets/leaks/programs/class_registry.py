"""A class keeps every instance by its id in a dictionary of the class."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "growing_container", "type": "Widget"}

numbers = itertools.count(1)


class Widget:
    by_id = {}

    def __init__(self, number):
        self.id = f"widget-{number}"
        self.options = {"colour": f"#{number:06x}", "text": "lorem ipsum " * 20 + str(number)}
        Widget.by_id[self.id] = self


def setup():
    Widget(0)


def round(n):
    for _ in range(n):
        Widget(next(numbers))


def holder():
    return Alternatives([Widget.by_id, Widget])


def release():
    Widget.by_id.clear()
