"""Every order stays in a list of the module, for a report that nobody asks for."""
import itertools

TRUTH = {"held": False, "leaks": True, "idiom": "growing_container", "type": "Order"}

HISTORY = []
numbers = itertools.count(1)


class Order:
    def __init__(self, number):
        self.number = number
        self.customer = f"customer {number % 50} of the shop"
        self.lines = [{"sku": f"S{number + i}", "amount": i} for i in range(3)]


def setup():
    pass


def round(n):
    for _ in range(n):
        HISTORY.append(Order(next(numbers)))


def holder():
    return HISTORY


def release():
    HISTORY.clear()
