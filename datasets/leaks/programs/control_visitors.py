"""Sessions come and go: as many as before, others than before."""
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Visitor:
    def __init__(self, number):
        self.number = number
        self.pages = [f"/page/{number}/{i}" for i in range(8)]


class Visitors:
    def __init__(self):
        self.present = {}

    def come(self, number):
        self.present[number] = Visitor(number)
        self.present.pop(number - 90 - number % 17, None)
        for old in [old for old in self.present if old < number - 120]:
            del self.present[old]


def setup():
    global visitors
    visitors = Visitors()
    for _ in range(150):
        visitors.come(next(numbers))


def round(n):
    for _ in range(n):
        visitors.come(next(numbers))
