"""A list of things to import, which gets shorter."""
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Row:
    def __init__(self, number):
        self.fields = [f"field {number} {i}" for i in range(5)]


def setup():
    global rows
    rows = [Row(number) for number in range(700)]


def round(n):
    for _ in range(n):
        rows.pop()
        if next(numbers) % 4 == 0:
            rows.pop()
