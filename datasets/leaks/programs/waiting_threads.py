"""A thread a request waits for an answer that never comes."""
import itertools
import threading
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": "endless_thread", "type": ["Thread", "frame", "Conversation"], "requests": 10}

numbers = itertools.count(1)
ends = []


class Conversation:
    def __init__(self, number):
        self.messages = [f"message {number} {i} " * 6 for i in range(20)]
        self.answered = threading.Event()

    def run(self):
        messages = list(self.messages)
        self.answered.wait()
        return messages


def setup():
    pass


def round(n):
    for _ in range(n):
        conversation = Conversation(next(numbers))
        threading.Thread(target=conversation.run, daemon=True).start()


def waiting():
    return [thread for thread in threading.enumerate() if getattr(thread, "_target", None) is not None
            and isinstance(getattr(thread._target, "__self__", None), Conversation)]


def holder():
    threads = waiting()
    return Alternatives([*threads[-1:], threading._active, *threads, *[thread._target.__self__ for thread in threads],
                         *[thread._target.__self__.answered for thread in threads]])


def release():
    threads = waiting()
    for thread in threads:
        thread._target.__self__.answered.set()
    for thread in threads:
        thread.join()
