"""Results of a pool: every future that was ever submitted is kept, to wait for all at the end of the process."""
import concurrent.futures
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["growing_container", "pending_task"], "type": ["Future", "Result"]}

numbers = itertools.count(1)


class Result:
    def __init__(self, number):
        self.lines = [f"line {i} of {number}" for i in range(8)]


class Batch:
    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self.submitted = []


def setup():
    global batch
    batch = Batch()


def round(n):
    for _ in range(n):
        batch.submitted.append(batch.pool.submit(Result, next(numbers)))
    concurrent.futures.wait(batch.submitted)


def holder():
    return Alternatives([batch.submitted, batch])


def release():
    batch.submitted.clear()
