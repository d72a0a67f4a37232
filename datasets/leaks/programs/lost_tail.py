"""A linked list with a head that stays where it was: the consumer is gone, the producer appends at the tail."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["chain", "queue_without_consumer"], "type": "Node"}

numbers = itertools.count(1)


class Node:
    __slots__ = ("value", "next")

    def __init__(self, value):
        self.value = value
        self.next = None


class Log:
    def __init__(self):
        self.head = self.tail = Node("begin")

    def append(self, value):
        self.tail.next = Node(value)
        self.tail = self.tail.next


def setup():
    global log
    log = Log()


def round(n):
    for _ in range(n):
        log.append(f"entry {next(numbers)} " * 30)


def holder():
    return Alternatives([log, log.head])


def release():
    log.head = log.tail = Node("begin")
