"""An extension that takes a reference to its argument and never gives it back, here done by ctypes."""
import ctypes
import gc
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["external_reference", "callbacks"], "type": "Token"}

numbers = itertools.count(1)


class Token:
    def __init__(self, number):
        self.text = f"token {number} " * 25
        self.position = (number, number + 1)


def tokens():
    return [obj for obj in gc.get_objects() if type(obj) is Token]


def setup():
    pass


def round(n):
    for _ in range(n):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(Token(next(numbers))))


def holder():
    return Alternatives([None, *tokens()])


def release():
    for token in tokens():
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(token))
