"""Errors with tracebacks and frames in cycles, which are handled and let go."""
import itertools
import sys

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Failed(Exception):
    pass


def fail(number):
    state = {"number": number, "text": f"state {number} " * 20}
    try:
        raise Failed(number)
    except Failed as error:
        state["error"] = error
        state["info"] = sys.exc_info()
        return len(state)


def setup():
    pass


def round(n):
    for _ in range(n):
        fail(next(numbers))
