"""Results by their arguments, and one argument is the time of day; no entry is ever used again, none leaves."""
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["unbounded_cache", "growing_container"], "type": "Report"}

_cache = {}
clock = itertools.count(1_700_000_000)


class Report:
    def __init__(self, user, second):
        self.user = user
        self.rows = [(second + i, f"row {second} {i}") for i in range(6)]


def report(user, second):
    key = (user, second)
    if key not in _cache:
        _cache[key] = Report(user, second)
    return _cache[key]


def setup():
    report("root", 1)


def round(n):
    for _ in range(n):
        second = next(clock)
        report(f"user-{second % 9}", second)


def holder():
    return _cache


def release():
    _cache.clear()
