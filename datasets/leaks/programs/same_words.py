"""Rows of a table that stays, whose few different words are made anew for every row."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["many_equal", "growing_container"], "type": ["dict", "str"]}

numbers = itertools.count(1)
WORDS = "waiting for the payment of the customer,sent by the parcel service of the town,returned by the customer to the shop"


class Table:
    def __init__(self):
        self.rows = []

    def load(self, number):
        words = WORDS.split(",")
        self.rows.append({"state": words[number % 3], "reason": words[(number + 1) % 3]})


def setup():
    global table
    table = Table()


def round(n):
    for _ in range(n):
        table.load(next(numbers))


def holder():
    return Alternatives([table.rows, table])


def release():
    table.rows.clear()
