"""A queue for a sender that has ended; everybody still puts into it."""
import itertools
import queue
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["queue_without_consumer", "growing_container"], "type": "Notice"}

numbers = itertools.count(1)


class Notice:
    def __init__(self, number):
        self.to = f"user {number}"
        self.text = f"your order {number} is on its way " * 15


class Sender:
    def __init__(self):
        self.outbox = queue.Queue()


def setup():
    global sender
    sender = Sender()


def round(n):
    for _ in range(n):
        sender.outbox.put(Notice(next(numbers)))


def holder():
    return Alternatives([sender.outbox.queue, sender.outbox, sender])


def release():
    sender.outbox.queue.clear()
