"""One exception object for all: every raise puts another traceback, with its frames, on the one before."""
import itertools

TRUTH = {"held": False, "leaks": True, "idiom": ["stored_exception", "chain"], "type": ["traceback", "frame", "Attempt"]}

numbers = itertools.count(1)


class Attempt:
    def __init__(self, number):
        self.log = f"attempt {number} " * 30


class NotReady(Exception):
    pass


NOT_READY = NotReady()


def poll(number):
    attempt = Attempt(number)
    if attempt.log:
        raise NOT_READY


def setup():
    pass


def round(n):
    for _ in range(n):
        try:
            poll(next(numbers))
        except NotReady:
            pass


def holder():
    return NOT_READY


def release():
    NOT_READY.__traceback__ = None
