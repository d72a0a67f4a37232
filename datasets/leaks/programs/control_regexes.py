"""Patterns made of requests: the module re keeps some hundreds of them compiled and then lets old ones go."""
import itertools
import re

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


def setup():
    for number in range(560):
        re.compile(f"warm {number}")


def round(n):
    for _ in range(n):
        re.compile(rf"user{next(numbers)}:\d+")
