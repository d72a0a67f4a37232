"""A cache of translations fills at the first requests, until every text of the shop is in it."""
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)
texts = {}


class Translation:
    def __init__(self, number):
        self.text = f"text {number} " * 30


def setup():
    pass


def round(n):
    for _ in range(n):
        number = next(numbers) % 130
        if number not in texts:
            texts[number] = Translation(number)
