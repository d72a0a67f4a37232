"""A WeakKeyDictionary whose values are bound methods of their own keys."""
import itertools
import weakref
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["weak_value_holds_key", "growing_container", "listener_registry", "callbacks"], "type": ["Window", "method"]}

numbers = itertools.count(1)


class Window:
    def __init__(self, number):
        self.title = f"window {number}"
        self.lines = [f"line {i} of {number}" for i in range(8)]

    def clean(self):
        self.lines.clear()


class Desktop:
    def __init__(self):
        self.cleanups = weakref.WeakKeyDictionary()

    def open(self, window):
        self.cleanups[window] = window.clean


def setup():
    global desktop
    desktop = Desktop()


def round(n):
    for _ in range(n):
        desktop.open(Window(next(numbers)))


def holder():
    return Alternatives([desktop.cleanups.data, desktop.cleanups, desktop])


def release():
    desktop.cleanups.clear()
