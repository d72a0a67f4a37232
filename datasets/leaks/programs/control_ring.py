"""The last 250 lines, in a deque with maxlen that is full at the fifth moment."""
import collections
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Line:
    def __init__(self, number):
        self.text = f"line {number} " * 25


def setup():
    global ring
    ring = collections.deque(maxlen=250)


def round(n):
    for _ in range(n):
        ring.append(Line(next(numbers)))
