"""A counter with the path as a label, and the path has the order's number in it: a child a number."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["metric_labels", "growing_container", "unbounded_cache"], "type": "Child"}

numbers = itertools.count(1)


class Child:
    def __init__(self, labels):
        self.labels = labels
        self.value = 0.0
        self.created = 1.7e9
        self.exemplars = [None] * 30


class Counter:
    def __init__(self, name, labelnames):
        self.name = name
        self.labelnames = labelnames
        self._metrics = {}

    def labels(self, *values):
        if values not in self._metrics:
            self._metrics[values] = Child(dict(zip(self.labelnames, values)))
        return self._metrics[values]


def setup():
    global requests_total
    requests_total = Counter("requests_total", ("method", "path"))
    requests_total.labels("GET", "/").value += 1


def round(n):
    for _ in range(n):
        requests_total.labels("GET", f"/orders/{next(numbers)}").value += 1


def holder():
    return Alternatives([requests_total._metrics, requests_total])


def release():
    requests_total._metrics.clear()
