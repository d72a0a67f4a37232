"""As many entries as ever, whose values change and are at times larger."""
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)
SIZES = [300, 900, 500, 1100, 700, 400, 1000]


class Status:
    def __init__(self, number):
        self.number = number
        self.text = "s" * SIZES[number // 40 % 7]


def setup():
    global status
    status = {i: Status(i) for i in range(150)}


def round(n):
    for _ in range(n):
        number = next(numbers)
        status[number % 150] = Status(number)
