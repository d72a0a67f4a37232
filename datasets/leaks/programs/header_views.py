"""Sixteen bytes of each packet are kept as a view, and each view keeps its whole packet."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["buffer_view", "growing_container"], "type": ["memoryview", "bytes", "managedbuffer"]}

numbers = itertools.count(1)


class Statistics:
    def __init__(self):
        self.headers = []


def setup():
    global statistics
    statistics = Statistics()


def round(n):
    for _ in range(n):
        packet = b"%016d" % next(numbers) + bytes(4000)
        statistics.headers.append(memoryview(packet)[:16])


def holder():
    return Alternatives([statistics.headers, statistics])


def release():
    statistics.headers.clear()
