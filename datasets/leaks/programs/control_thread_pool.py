"""A pool of threads that grows with its work, up to max_workers."""
import concurrent.futures
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


def work(number):
    return f"result {number}" * 10


def setup():
    global pool
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=12)


def round(n):
    for _ in range(n):
        number = next(numbers)
        if number % 15 == 0:
            concurrent.futures.wait([pool.submit(work, number) for _ in range(number // 15)])
        else:
            pool.submit(work, number).result()
