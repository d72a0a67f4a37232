"""A threading.local in which every thread of a pool that never ends collects what it did."""
import concurrent.futures
import itertools
import threading
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["thread_local", "growing_container"], "type": "Statement"}

numbers = itertools.count(1)
local = threading.local()
lists = []


class Statement:
    def __init__(self, number):
        self.sql = f"select * from orders where id = {number} and " + "x = 1 and " * 30


def execute(number):
    if not hasattr(local, "statements"):
        local.statements = []
    local.statements.append(Statement(number))
    return number


def setup():
    global pool
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="db")


def round(n):
    for _ in range(n):
        pool.submit(execute, next(numbers)).result()


def statements():
    return pool.submit(lambda: local.statements).result()


def holder():
    return Alternatives([statements(), pool.submit(lambda: local.__dict__).result(), local])


def release():
    pool.submit(lambda: local.statements.clear()).result()
