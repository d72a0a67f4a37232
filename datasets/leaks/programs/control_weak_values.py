"""A WeakValueDictionary over objects that a bounded list keeps."""
import collections
import itertools
import weakref

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)
by_name = weakref.WeakValueDictionary()


class Account:
    def __init__(self, number):
        self.name = f"account {number}"
        self.moves = [f"{number} + {i}" for i in range(7)]


def setup():
    global recent
    recent = collections.deque(maxlen=100)


def round(n):
    for _ in range(n):
        account = Account(next(numbers))
        by_name[account.name] = account
        recent.append(account)
