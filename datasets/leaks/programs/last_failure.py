"""Failures are chained: each is raised from the last one, which sys.last_value keeps as the interpreter does at a prompt."""
import itertools
import sys
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["last_exception", "stored_exception", "chain"], "type": ["StepFailed", "traceback", "frame"]}

numbers = itertools.count(1)


class StepFailed(Exception):
    pass


def step(number):
    state = f"state {number} " * 40
    raise StepFailed(len(state)) from getattr(sys, "last_value", None)


def setup():
    sys.last_value = None


def round(n):
    for _ in range(n):
        try:
            step(next(numbers))
        except StepFailed as error:
            sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__


def holder():
    return Alternatives([sys.last_value, sys.__dict__, sys])


def release():
    sys.last_type = sys.last_value = sys.last_traceback = None
