"""Records wait in a MemoryHandler for an error that flushes them; none comes, and the capacity is a billion."""
import itertools
import logging
import logging.handlers
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["logging_handler", "growing_container"], "type": "LogRecord"}

numbers = itertools.count(1)
log = logging.getLogger("import")


def setup():
    global handler
    handler = logging.handlers.MemoryHandler(10**9, flushLevel=logging.CRITICAL)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def round(n):
    for _ in range(n):
        log.info("row %s is %s", next(numbers), "fine")


def holder():
    return Alternatives([handler.buffer, handler])


def release():
    handler.buffer.clear()
