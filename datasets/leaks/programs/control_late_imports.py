"""Modules are imported when a request first needs them: thousands of new objects, once."""
import importlib
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)
NAMES = ["xml.dom.minidom", "email.mime.text", "decimal", "plistlib", "configparser", "argparse", "optparse", "http.client"]


def setup():
    pass


def round(n):
    for _ in range(n):
        number = next(numbers)
        if number % 20 == 0 and number // 20 <= len(NAMES):
            importlib.import_module(NAMES[number // 20 - 1])
