"""A deque that its author thought to be a ring; nobody gave it a length."""
import collections
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["growing_container", "queue_without_consumer"], "type": "Event"}

numbers = itertools.count(1)


class Event:
    __slots__ = ("name", "at", "payload")

    def __init__(self, number):
        self.name = "clicked"
        self.at = number * 1.25
        self.payload = f"{number}:" + "x" * 600


class Recorder:
    def __init__(self):
        self.events = collections.deque()
        self.started = True


def setup():
    global recorder
    recorder = Recorder()


def round(n):
    for _ in range(n):
        recorder.events.append(Event(next(numbers)))


def holder():
    return Alternatives([recorder.events, recorder])


def release():
    recorder.events.clear()
