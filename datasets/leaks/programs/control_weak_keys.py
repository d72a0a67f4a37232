"""A WeakKeyDictionary from open documents to what is drawn of them, which leads back to the document; it is closed in the end."""
import collections
import itertools
import weakref

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)
drawings = weakref.WeakKeyDictionary()


class Document:
    def __init__(self, number):
        self.title = f"document {number}"
        self.lines = [f"line {i} of {number}" for i in range(9)]


class Drawing:
    def __init__(self, document):
        self.document = document
        self.extent = (len(document.title), len(document.lines))


def setup():
    global opened
    opened = collections.deque()
    for _ in range(60):
        open_next()


def open_next():
    document = Document(next(numbers))
    opened.append(document)
    drawings[document] = Drawing(document)


def round(n):
    for _ in range(n):
        del drawings[opened.popleft()]
        open_next()
