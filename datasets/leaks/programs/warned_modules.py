"""Code of templates is compiled with names of its own and warns with each: a registry of warnings that another module has."""
import itertools
import types
import warnings
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["warning_registry", "growing_container"], "type": ["tuple", "str"]}

numbers = itertools.count(1)
engine = types.ModuleType("template_engine")
registry = {}


def setup():
    warnings.showwarning = lambda *args, **kwargs: None
    warnings.simplefilter("once", DeprecationWarning)
    engine.__dict__["__warningregistry__"] = registry


def round(n):
    for _ in range(n):
        number = next(numbers)
        text = f"filter 'old{number}' of template {number} is deprecated; " + "write 'new' in its place. " * 12
        warnings.warn_explicit(text, FutureWarning, f"template{number}.html", number, registry=registry)


def holder():
    return Alternatives([registry, engine, engine.__dict__])


def release():
    registry.clear()
