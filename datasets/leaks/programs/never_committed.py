"""A unit of work collects new objects for a commit that the import job never makes."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["orm_session", "growing_container"], "type": "Invoice"}

numbers = itertools.count(1)


class Column:
    def __set_name__(self, owner, name):
        self.name = name


class Invoice:
    number = Column()
    total = Column()

    def __init__(self, number):
        self.__dict__.update(number=number, total=number * 1.19, text=f"invoice {number} " * 25)


class UnitOfWork:
    def __init__(self):
        self.identity_map = {}
        self._new = {}

    def add(self, instance):
        self._new[id(instance)] = instance


def setup():
    global work
    work = UnitOfWork()


def round(n):
    for _ in range(n):
        work.add(Invoice(next(numbers)))


def holder():
    return Alternatives([work._new, work])


def release():
    work._new.clear()
