"""A warning with the order's number in its text: the module remembers each text, to warn once."""
import itertools
import sys
import warnings
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["warning_registry", "growing_container"], "type": ["tuple", "str"]}

numbers = itertools.count(1)


def setup():
    warnings.showwarning = lambda *args, **kwargs: None
    warnings.simplefilter("default", UserWarning)


def round(n):
    for _ in range(n):
        warnings.warn(f"order {next(numbers)} has no tax class, " + "the default is taken " * 15, UserWarning)


def holder():
    return Alternatives([globals()["__warningregistry__"], sys.modules[__name__]])


def release():
    globals()["__warningregistry__"].clear()
