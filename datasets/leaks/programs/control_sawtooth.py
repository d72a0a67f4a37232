"""A buffer of events that is written when it has a hundred."""
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Event:
    def __init__(self, number):
        self.number = number
        self.text = f"event {number} " * 20


class Writer:
    def __init__(self):
        self.buffer = []
        self.n_written = 0

    def add(self, event):
        self.buffer.append(event)
        if len(self.buffer) == 100:
            self.n_written += len(self.buffer)
            self.buffer = []


def setup():
    global writer
    writer = Writer()


def round(n):
    for _ in range(n):
        writer.add(Event(next(numbers)))
