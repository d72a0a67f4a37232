"""An embedded prompt for operators: every result goes to a list of outputs, as notebooks do it."""
import code
import itertools
import sys
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["interactive_history", "growing_container", "unbounded_cache"], "type": "Result"}

numbers = itertools.count(1)


class Result:
    def __init__(self, number):
        self.table = [[number, i, f"{number}/{i}"] for i in range(6)]


class Prompt:
    def __init__(self):
        self.namespace = {"Result": Result, "Out": {}, "_": None}
        self.interpreter = code.InteractiveInterpreter(self.namespace)

    def show(self, value):
        if value is not None:
            self.namespace["_"] = value
            self.namespace["Out"][len(self.namespace["Out"])] = value

    def run(self, line):
        before, sys.displayhook = sys.displayhook, self.show
        try:
            self.interpreter.runsource(line)
        finally:
            sys.displayhook = before


def setup():
    global prompt
    prompt = Prompt()


def round(n):
    for _ in range(n):
        prompt.run(f"Result({next(numbers)})")


def holder():
    return Alternatives([prompt.namespace["Out"], prompt.namespace])


def release():
    prompt.namespace["Out"].clear()
    prompt.namespace["_"] = None
