"""Weak references with callbacks in a list: what they referred to is gone, they and their callbacks stay."""
import itertools
import weakref
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["finalizer", "callbacks", "growing_container"],
         "type": ["function", "ReferenceType", "weakref", "tuple"]}

numbers = itertools.count(1)


class Peer:
    def __init__(self, number):
        self.number = number


class Watcher:
    def __init__(self):
        self.watched = []
        self.n_gone = 0

    def watch(self, peer):
        text = f"peer {peer.number} is gone " * 20

        def gone(_):
            self.n_gone += len(text) > 0

        self.watched.append((weakref.ref(peer, gone), gone))


def setup():
    global watcher
    watcher = Watcher()


def round(n):
    for _ in range(n):
        watcher.watch(Peer(next(numbers)))


def holder():
    return Alternatives([watcher.watched, watcher])


def release():
    watcher.watched.clear()
