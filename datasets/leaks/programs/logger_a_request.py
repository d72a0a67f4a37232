"""A logger with the request's number in its name: the manager of logging keeps every logger."""
import itertools
import logging
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["logging_handler", "growing_container", "unbounded_cache"], "type": "Logger"}

numbers = itertools.count(1)


class Job:
    def __init__(self, number):
        self.log = logging.getLogger(f"worker.job{number}")
        self.log.setLevel(logging.ERROR)


def setup():
    Job(0)


def round(n):
    for _ in range(n):
        Job(next(numbers)).log.debug("begun")


def holder():
    manager = logging.Logger.manager
    return Alternatives([manager.loggerDict, manager, logging.getLogger("worker").__dict__])


def release():
    names = [name for name in logging.Logger.manager.loggerDict if name.startswith("worker")]
    for name in names:
        del logging.Logger.manager.loggerDict[name]
    for logger in list(logging.root.manager.loggerDict.values()):
        getattr(logger, "_cache", {}).clear()
