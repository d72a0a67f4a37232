"""Durations of the last 180 requests by path, for a percentile."""
import collections
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Duration:
    def __init__(self, number):
        self.at = number
        self.parts = {"db": number * 0.1, "view": number * 0.2, "note": f"trace {number} " * 12}


class Window:
    def __init__(self):
        self.by_path = {f"/path/{i}": collections.deque() for i in range(6)}

    def add(self, number):
        window = self.by_path[f"/path/{number % 6}"]
        window.append(Duration(number))
        while window[0].at < number - 180:
            window.popleft()


def setup():
    global window
    window = Window()
    for _ in range(150):
        window.add(next(numbers))


def round(n):
    for _ in range(n):
        window.add(next(numbers))
