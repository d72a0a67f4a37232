"""Names of fields are interned as documents come; there are three hundred of them, and then no new one."""
import itertools
import sys

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)
fields = {}


def setup():
    pass


def round(n):
    for _ in range(n):
        for i in range(3):
            name = sys.intern(f"field_of_a_document_{(next(numbers) * 7 + i) % 300}")
            fields[name] = fields.get(name, 0) + 1
