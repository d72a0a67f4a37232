"""Cycles that the collector has not come to yet: some garbage at every moment, not more each time."""
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Element:
    def __init__(self, parent, number):
        self.parent = parent
        self.text = f"element {number} " * 8
        self.children = []


class Document:
    def __init__(self, number):
        self.number = number
        self.root = Element(self, number)
        self.root.children = [Element(self.root, i) for i in range(5)]


def setup():
    pass


def round(n):
    for _ in range(n):
        Document(next(numbers))
        for _ in range(30):
            [].append([])
