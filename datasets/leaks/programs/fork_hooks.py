"""os.register_at_fork for every client of a library; the interpreter has no way to take one back."""
import gc
import itertools
import os
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["external_reference", "callbacks", "listener_registry", "growing_container"],
         "type": ["ApiClient", "method"]}

numbers = itertools.count(1)


class ApiClient:
    def __init__(self, number):
        self.token = f"token-{number}"
        self.certificates = [f"certificate {i} of {number} " * 2 for i in range(6)]
        os.register_at_fork(after_in_child=self.reset)

    def reset(self):
        pass


def setup():
    ApiClient(0)


def round(n):
    for _ in range(n):
        ApiClient(next(numbers))


def hooks():
    methods = [obj for obj in gc.get_objects() if type(getattr(obj, "__self__", None)) is ApiClient]
    lists = [obj for obj in gc.get_referrers(methods[0]) if type(obj) is list and obj is not methods]
    return methods, lists


def holder():
    methods, lists = hooks()
    return Alternatives([*lists, None])


def release():
    for found in hooks()[1]:
        found[:] = [hook for hook in found if type(getattr(hook, "__self__", None)) is not ApiClient]
