"""A search function for codecs is registered with every import of a customer's file; C code has the list."""
import codecs
import gc
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["external_reference", "callbacks", "closure", "listener_registry", "growing_container"],
         "type": ["function", "Mapping_"]}

numbers = itertools.count(1)


class Mapping_:
    def __init__(self, number):
        self.name = f"customer{number}"
        self.table = {i: chr(200 + i) for i in range(12)}


def searcher(mapping):
    def search(name):
        return None if name != mapping.name else mapping.table

    return search


def setup():
    codecs.lookup("utf-8")


def round(n):
    for _ in range(n):
        codecs.register(searcher(Mapping_(next(numbers))))


def found():
    return [obj for obj in gc.get_objects() if getattr(obj, "__qualname__", None) == "searcher.<locals>.search"]


def holder():
    functions = found()
    return Alternatives([obj for obj in gc.get_referrers(functions[0]) if type(obj) is list and obj is not functions])


def release():
    for path in holder():
        path[:] = [function for function in path if getattr(function, "__qualname__", None) != "searcher.<locals>.search"]
