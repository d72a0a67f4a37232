"""A worker thread that never ends appends to a list in a local variable of its loop."""
import itertools
import queue
import threading

TRUTH = {"held": False, "leaks": True, "idiom": ["thread_local", "growing_container", "endless_thread"], "type": "Delivery"}

numbers = itertools.count(1)
box = []


class Delivery:
    def __init__(self, number):
        self.address = f"street {number}, " + "city " * 60
        self.number = number


def deliver(jobs):
    delivered = []
    while True:
        job = jobs.get()
        if job is None:
            delivered.clear()
        elif job == "where":
            box.append(id(delivered))
        else:
            delivered.append(job)
        del job
        jobs.task_done()


def setup():
    global jobs
    jobs = queue.Queue()
    threading.Thread(target=deliver, args=(jobs,), name="delivery", daemon=True).start()


def round(n):
    for _ in range(n):
        jobs.put(Delivery(next(numbers)))
    jobs.join()


def holder():
    import gc

    jobs.put("where")
    jobs.join()
    address = box.pop()
    return next(obj for obj in gc.get_objects() if id(obj) == address)


def release():
    jobs.put(None)
    jobs.join()
