"""One session of an object-relational mapper for the whole process: its identity map knows every row ever read."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["orm_session", "growing_container", "unbounded_cache", "query_log"], "type": "Customer"}

numbers = itertools.count(1)


class Customer:
    def __init__(self, key, row):
        self.id = key
        self.name, self.street, self.city = row
        self._state = {"session": True, "dirty": False}


class Session:
    def __init__(self):
        self.identity_map = {}
        self.new = []
        self.deleted = set()

    def get(self, cls, key):
        known = self.identity_map.get((cls, key))
        if known is None:
            row = (f"customer {key}", f"{key} high street " * 5, f"city {key}")
            known = self.identity_map[cls, key] = cls(key, row)
        return known


def setup():
    global session
    session = Session()


def round(n):
    for _ in range(n):
        session.get(Customer, next(numbers))


def holder():
    return Alternatives([session.identity_map, session])


def release():
    session.identity_map.clear()
