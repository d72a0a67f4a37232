"""Scripts of users become modules, each under a new name, and every module stays in sys.modules."""
import itertools
import sys
import types

TRUTH = {"held": False, "leaks": True, "idiom": ["module_per_request", "class_per_request", "growing_container"], "type": "module"}

numbers = itertools.count(1)
SOURCE = "def run(x):\n    return x + OFFSET\nOFFSET = {}\nTEXT = 'plugin {}' * 30\n"


def load(number):
    module = types.ModuleType(f"plugin_{number}")
    exec(SOURCE.format(number, number), module.__dict__)
    sys.modules[module.__name__] = module
    return module


def setup():
    pass


def round(n):
    for _ in range(n):
        load(next(numbers)).run(1)


def holder():
    return sys.modules


def release():
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]
