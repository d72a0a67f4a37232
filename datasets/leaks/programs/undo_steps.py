"""Copies of a document for undo, as many as there were changes."""
import copy
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "growing_container", "type": ["Drawing"]}

numbers = itertools.count(1)


class Drawing:
    def __init__(self):
        self.shapes = {f"shape {i}": [i, i + 1.5] for i in range(8)}


class Editor:
    def __init__(self):
        self.drawing = Drawing()
        self.undo = []

    def change(self, number):
        self.undo.append(copy.deepcopy(self.drawing))
        self.drawing.shapes[f"shape {number % 8}"] = [number, number + 0.5]


def setup():
    global editor
    editor = Editor()


def round(n):
    for _ in range(n):
        editor.change(next(numbers))


def holder():
    return Alternatives([editor.undo, editor])


def release():
    editor.undo.clear()
