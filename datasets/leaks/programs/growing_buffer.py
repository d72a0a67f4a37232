"""A buffer for what a peer sends: read to its end, and never cut."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "huge_object", "type": "bytearray"}

numbers = itertools.count(1)


class Connection_:
    def __init__(self):
        self.buffer = bytearray()
        self.position = 0

    def receive(self, data):
        self.buffer += data
        self.position = len(self.buffer)


def setup():
    global connection
    connection = Connection_()


def round(n):
    for _ in range(n):
        connection.receive(b"%08d" % next(numbers) * 200)


def holder():
    return Alternatives([connection.buffer, connection])


def release():
    connection.buffer = None
