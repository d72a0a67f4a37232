"""A timer a request for in ten hours, for a session that is long gone; none is cancelled."""
import itertools
import threading
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "endless_thread", "type": ["Timer", "frame", "Session_"], "requests": 10}

numbers = itertools.count(1)


class Session_:
    def __init__(self, number):
        self.number = number
        self.data = {f"key {number} {i}": f"value {i}" for i in range(20)}

    def expire(self):
        self.data.clear()


def setup():
    pass


def round(n):
    for _ in range(n):
        timer = threading.Timer(36000, Session_(next(numbers)).expire)
        timer.daemon = True
        timer.start()


def timers():
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def holder():
    found = timers()
    return Alternatives([*found[-1:], threading._active, *found, *[timer.finished for timer in found],
                         *[timer.function.__self__ for timer in found]])


def release():
    found = timers()
    for timer in found:
        timer.cancel()
    for timer in found:
        timer.join()
