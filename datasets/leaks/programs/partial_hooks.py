"""A hook a request in a dictionary of hooks, each a partial of a method with the request's document."""
import functools
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["partial", "callbacks", "listener_registry", "growing_container"], "type": ["partial", "Document"]}

HOOKS = {}
numbers = itertools.count(1)


class Document:
    def __init__(self, number):
        self.number = number
        self.paragraphs = [f"paragraph {i} of {number}" for i in range(9)]

    def close(self, reason):
        self.paragraphs = []


def setup():
    pass


def round(n):
    for _ in range(n):
        number = next(numbers)
        HOOKS[f"close-{number}"] = functools.partial(Document(number).close, "end")


def holder():
    return HOOKS


def release():
    HOOKS.clear()
