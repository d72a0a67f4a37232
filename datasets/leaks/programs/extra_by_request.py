"""A WeakKeyDictionary from requests to what is known of them; the value refers back to its request, so no key ever dies."""
import itertools
import weakref
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["weak_value_holds_key", "growing_container"], "type": ["Extra", "Inbound"]}

numbers = itertools.count(1)
extras = weakref.WeakKeyDictionary()


class Inbound:
    def __init__(self, number):
        self.number = number
        self.body = f"body {number} " * 30


class Extra:
    def __init__(self, request):
        self.request = request
        self.started = request.number * 0.01


def setup():
    pass


def round(n):
    for _ in range(n):
        request = Inbound(next(numbers))
        extras[request] = Extra(request)


def holder():
    return Alternatives([extras.data, extras])


def release():
    extras.clear()
