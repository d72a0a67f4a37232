"""A metaclass for singletons by their arguments; the arguments have the number of the request."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["unbounded_cache", "growing_container"], "type": "Gateway"}

numbers = itertools.count(1)


class Single(type):
    _instances = {}

    def __call__(cls, *args):
        key = (cls, args)
        if key not in Single._instances:
            Single._instances[key] = super().__call__(*args)
        return Single._instances[key]


class Gateway(metaclass=Single):
    def __init__(self, name):
        self.name = name
        self.certificate = b"-----" + name.encode() * 40


def setup():
    Gateway("default")


def round(n):
    for _ in range(n):
        Gateway(f"request-{next(numbers)}")


def holder():
    return Alternatives([Single._instances, Single])


def release():
    Single._instances.clear()
