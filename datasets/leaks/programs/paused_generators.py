"""Result sets as generators: each is read to its first row, and stays open in a list with all that it has in hand."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["suspended_generator", "growing_container"], "type": ["generator", "frame"]}

numbers = itertools.count(1)


class Cursorium:
    def __init__(self):
        self.open = []

    def rows(self, number):
        page = [f"row {number} {i}" for i in range(12)]
        for row in page:
            yield row

    def first(self, number):
        rows = self.rows(number)
        self.open.append(rows)
        return next(rows)


def setup():
    global cursors
    cursors = Cursorium()


def round(n):
    for _ in range(n):
        cursors.first(next(numbers))


def holder():
    return Alternatives([cursors.open, cursors])


def release():
    cursors.open.clear()
