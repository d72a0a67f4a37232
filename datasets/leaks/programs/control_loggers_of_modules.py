"""A logger a module and a handler a logger, for the thirty modules there are."""
import itertools
import logging

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Lines(logging.Handler):
    def emit(self, record):
        pass


def setup():
    pass


def round(n):
    for _ in range(n):
        log = logging.getLogger(f"package.module{min(next(numbers) // 5, 29)}")
        if not log.handlers:
            log.addHandler(Lines())
        log.propagate = False
        log.error("no stock")
