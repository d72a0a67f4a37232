"""A cache of its own kind with a limit that it has not come to yet: it fills at all moments, and says where that ends."""
import collections
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Preview:
    def __init__(self, number):
        self.html = f"<p>{number}</p>" * 40


class Previews:
    def __init__(self, maxsize):
        self.maxsize = maxsize
        self.entries = collections.OrderedDict()

    def get(self, number):
        if number not in self.entries:
            self.entries[number] = Preview(number)
            if len(self.entries) > self.maxsize:
                self.entries.popitem(last=False)
        return self.entries[number]


def setup():
    global previews
    previews = Previews(320)


def round(n):
    for _ in range(n):
        previews.get(next(numbers))
