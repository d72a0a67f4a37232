"""Each request wraps the system of the descriptor into another that has the old one as its parent, as in the edX story."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "chain", "type": ["CombinedSystem", "RuntimeSystem"]}

numbers = itertools.count(1)


class RuntimeSystem:
    def __init__(self, number):
        self.services = {"number": number, "user": f"user {number} " * 20}
        self._descriptor_runtime = None


class CombinedSystem:
    def __init__(self, runtime, descriptor_runtime):
        self._runtime = runtime
        self._descriptor_runtime = descriptor_runtime


class Descriptor:
    def __init__(self):
        self.runtime = RuntimeSystem(0)


def setup():
    global descriptor
    descriptor = Descriptor()


def round(n):
    for _ in range(n):
        descriptor.runtime = CombinedSystem(RuntimeSystem(next(numbers)), descriptor.runtime)


def holder():
    return Alternatives([descriptor, descriptor.runtime])


def release():
    descriptor.runtime = RuntimeSystem(0)
