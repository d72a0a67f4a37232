"""A bus with a set of callbacks a topic; who unsubscribes makes a new callback for it, which is not in the set."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["listener_registry", "callbacks", "closure", "growing_container"], "type": ["function", "Visit"]}

numbers = itertools.count(1)


class Visit:
    def __init__(self, number):
        self.page = f"/page/{number}?" + "utm=x&" * 60


class Bus:
    def __init__(self):
        self.topics = {"price": set(), "stock": set()}

    def subscribe(self, topic, callback):
        self.topics[topic].add(callback)

    def unsubscribe(self, topic, callback):
        self.topics[topic].discard(callback)


def on_price(visit):
    return lambda price: (visit, price)


def setup():
    global bus
    bus = Bus()


def round(n):
    for _ in range(n):
        visit = Visit(next(numbers))
        bus.subscribe("price", on_price(visit))
        bus.unsubscribe("price", on_price(visit))


def holder():
    return Alternatives([bus.topics["price"], bus.topics, bus])


def release():
    bus.topics["price"].clear()
