"""Each request connects its own bound method to a signal, and never disconnects it."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["listener_registry", "callbacks", "growing_container"], "type": "CheckoutView"}

numbers = itertools.count(1)


class Signal:
    def __init__(self):
        self.listeners = []

    def connect(self, listener):
        self.listeners.append(listener)


class CheckoutView:
    def __init__(self, number):
        self.number = number
        self.form = {"name": f"name {number}", "street": f"street {number} " * 20}
        order_paid.connect(self.on_paid)

    def on_paid(self, order):
        return self.form


def setup():
    global order_paid
    order_paid = Signal()


def round(n):
    for _ in range(n):
        CheckoutView(next(numbers))


def holder():
    return Alternatives([order_paid.listeners, order_paid])


def release():
    order_paid.listeners.clear()
