"""Widgets listen to the clock as long as they are on the screen; those that leave it stop listening."""
import collections
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Clock:
    def __init__(self):
        self.listeners = []
        self.now = 0

    def tick(self):
        self.now += 1
        for listener in self.listeners:
            listener(self.now)


class Widget:
    def __init__(self, number):
        self.name = f"widget {number} " * 4
        self.shown = 0

    def update(self, now):
        self.shown = now


def setup():
    global clock, screen
    clock = Clock()
    screen = collections.deque()
    for _ in range(80):
        show()


def show():
    widget = Widget(next(numbers))
    screen.append(widget)
    clock.listeners.append(widget.update)


def round(n):
    for _ in range(n):
        clock.listeners.remove(screen.popleft().update)
        show()
        clock.tick()
