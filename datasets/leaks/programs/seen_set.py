"""Keys of everything that was ever seen, so that nothing is handled twice; none is removed when its time is over."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": "growing_container", "type": "MessageId"}

numbers = itertools.count(1)


class MessageId:
    def __init__(self, number):
        self.topic = "orders." + f"region-{number}" * 10
        self.number = number

    def __hash__(self):
        return hash(self.number)

    def __eq__(self, other):
        return self.number == other.number


class Receiver:
    def __init__(self):
        self.seen = set()
        self.last = None

    def receive(self, message):
        if message not in self.seen:
            self.seen.add(message)
            self.last = message


def setup():
    global receiver
    receiver = Receiver()


def round(n):
    for _ in range(n):
        receiver.receive(MessageId(next(numbers)))


def holder():
    return Alternatives([receiver.seen, receiver])


def release():
    receiver.seen.clear()
    receiver.last = None
