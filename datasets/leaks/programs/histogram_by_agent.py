"""Durations by user agent: whoever writes a new agent into the request makes a histogram."""
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["metric_labels", "growing_container", "unbounded_cache"], "type": "Histogram"}

numbers = itertools.count(1)
DURATIONS = {}


class Histogram:
    BOUNDS = [0.01 * 2**i for i in range(16)]

    def __init__(self, agent):
        self.agent = agent
        self.buckets = [0] * len(self.BOUNDS)
        self.sums = {"count": 0, "sum": 0.0}

    def observe(self, seconds):
        self.buckets[min(15, int(seconds))] += 1
        self.sums["sum"] += seconds


def setup():
    pass


def round(n):
    for _ in range(n):
        number = next(numbers)
        agent = f"Mozilla/5.0 (X11; build {number}) " + "AppleWebKit " * 6
        if agent not in DURATIONS:
            DURATIONS[agent] = Histogram(agent)
        DURATIONS[agent].observe(number % 7)


def holder():
    return DURATIONS


def release():
    DURATIONS.clear()
