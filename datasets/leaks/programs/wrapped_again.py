"""A handler is wrapped once more with every request: a tower of closures, one inside the other."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["closure", "callbacks", "chain"], "type": ["function", "cell"]}

numbers = itertools.count(1)


class App:
    def __init__(self):
        self.handler = print


def with_label(handler, label):
    def labelled(request):
        return handler, label

    return labelled


def setup():
    global app
    app = App()


def round(n):
    for _ in range(n):
        app.handler = with_label(app.handler, f"request {next(numbers)} " * 20)


def holder():
    return Alternatives([app, app.handler])


def release():
    app.handler = print
