"""Each request adds a handler to one logger, to catch its own records, and forgets to take it away."""
import itertools
import logging
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["logging_handler", "listener_registry", "callbacks", "growing_container"], "type": "Catcher"}

numbers = itertools.count(1)
log = logging.getLogger("billing")


class Catcher(logging.Handler):
    def __init__(self, number):
        super().__init__(logging.CRITICAL)
        self.number = number
        self.caught = [f"{number} begun " * 20]

    def emit(self, record):
        pass


def setup():
    log.propagate = False


def round(n):
    for _ in range(n):
        log.addHandler(Catcher(next(numbers)))
        log.debug("paid")


def holder():
    return Alternatives([log.handlers, log])


def release():
    log.handlers.clear()
