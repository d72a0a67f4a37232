"""itertools.tee with one reader that never reads: all that the other has read waits for it."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": "chain", "type": ["Tick", "_tee_dataobject"]}


class Tick:
    def __init__(self, number):
        self.price = number * 0.01
        self.book = [f"bid {number} {i}" for i in range(7)]


class Feed:
    def __init__(self):
        ticks = map(Tick, itertools.count(1))
        self.live, self.archive = itertools.tee(ticks)


def setup():
    global feed
    feed = Feed()


def round(n):
    for _ in range(n):
        next(feed.live)


def holder():
    return Alternatives([feed.archive, feed])


def release():
    feed.archive = None
