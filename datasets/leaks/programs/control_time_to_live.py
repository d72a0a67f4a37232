"""Entries live for a while, by a clock of requests; they are removed when the next one comes."""
import collections
import itertools

TRUTH = {"held": True, "leaks": False}

clock = itertools.count(1)


class Entry:
    def __init__(self, now):
        self.ends = now + 100
        self.value = f"value of {now} " * 25


class Expiring:
    def __init__(self, ttl):
        self.ttl = ttl
        self.entries = collections.OrderedDict()

    def put(self, now):
        while self.entries and next(iter(self.entries.values())).ends <= now:
            self.entries.popitem(last=False)
        self.entries[now] = Entry(now)


def setup():
    global store
    store = Expiring(100)
    for _ in range(40):
        store.put(next(clock))


def round(n):
    for _ in range(n):
        store.put(next(clock))
