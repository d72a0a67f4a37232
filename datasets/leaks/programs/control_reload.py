"""Once, between the second and the third moment, a larger price list is loaded in the place of the old one."""
import itertools

TRUTH = {"held": False, "leaks": False}

turns = itertools.count(1)


class Price:
    def __init__(self, number):
        self.number = number
        self.text = f"price {number} with tax"


def setup():
    global prices
    prices = [Price(number) for number in range(500)]


def round(n):
    global prices
    for _ in range(n):
        if next(turns) == 150:
            prices = [Price(number) for number in range(900)]
