"""An extension returns lists with one reference too many."""
import ctypes
import gc
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["external_reference", "callbacks"], "type": ["list", "Match"]}

numbers = itertools.count(1)


class Match:
    def __init__(self, number):
        self.span = (number, number + 400)
        self.text = f"match {number} " * 20


def search(number):
    result = [Match(number), Match(number + 1)]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(result))
    return result


def setup():
    pass


def round(n):
    for _ in range(n):
        search(next(numbers))


def results():
    return [obj for obj in gc.get_objects() if type(obj) is list and len(obj) == 2 and type(obj[0]) is Match]


def holder():
    found = results()
    return Alternatives([None, *found, *[match for result in found for match in result]])


def release():
    for result in results():
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(result))
