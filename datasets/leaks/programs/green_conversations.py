"""A greenlet a message that switched to its parent and is never switched to again."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["greenlet", "growing_container"], "type": ["greenlet", "frame", "Message"],
         "needs": ["greenlet"]}

numbers = itertools.count(1)


class Message:
    def __init__(self, number):
        self.text = f"message {number} " * 30


class Hub:
    def __init__(self):
        self.waiting = []


def talk(message):
    import greenlet

    greenlet.getcurrent().parent.switch(message.text)
    return message


def setup():
    global hub, greenlet
    import greenlet

    hub = Hub()


def round(n):
    for _ in range(n):
        one = greenlet.greenlet(talk)
        one.switch(Message(next(numbers)))
        hub.waiting.append(one)


def holder():
    return Alternatives([hub.waiting, hub])


def release():
    hub.waiting.clear()
