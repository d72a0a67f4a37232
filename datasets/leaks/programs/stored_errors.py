"""Errors are kept for a page that shows them, with tracebacks, frames, and all that the frames held."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["stored_exception", "growing_container"], "type": ["PaymentError", "traceback", "frame", "Cart"]}

numbers = itertools.count(1)


class PaymentError(Exception):
    pass


class Cart:
    def __init__(self, number):
        self.lines = [f"{number} x {i}" for i in range(10)]


class ErrorPage:
    def __init__(self):
        self.errors = []


def pay(number):
    cart = Cart(number)
    raise PaymentError(len(cart.lines))


def setup():
    global page
    page = ErrorPage()


def round(n):
    for _ in range(n):
        try:
            pay(next(numbers))
        except PaymentError as error:
            page.errors.append(error)


def holder():
    return Alternatives([page.errors, page])


def release():
    page.errors.clear()
