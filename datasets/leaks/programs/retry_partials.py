"""Calls that shall be tried again, as partials with all their arguments; those that worked stay too."""
import functools
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["partial", "callbacks", "growing_container", "listener_registry"], "type": ["partial", "Mail"]}

numbers = itertools.count(1)


class Mail:
    def __init__(self, number):
        self.to = f"user{number}@example.org"
        self.text = f"dear user {number} " * 25


def send(mail, attempt=0):
    return True


class Retries:
    def __init__(self):
        self.calls = []

    def call(self, call):
        self.calls.append(call)
        return call()


def setup():
    global retries
    retries = Retries()


def round(n):
    for _ in range(n):
        retries.call(functools.partial(send, Mail(next(numbers)), attempt=1))


def holder():
    return Alternatives([retries.calls, retries])


def release():
    retries.calls.clear()
