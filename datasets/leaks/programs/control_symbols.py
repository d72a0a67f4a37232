"""A table from words to numbers, in which nearly all words of the language are after a while."""
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Vocabulary:
    def __init__(self):
        self.numbers = {}

    def number(self, word):
        return self.numbers.setdefault(word, len(self.numbers))


def setup():
    global vocabulary
    vocabulary = Vocabulary()


def round(n):
    for _ in range(n):
        at = next(numbers)
        for i in range(6):
            vocabulary.number(f"word{(at * 31 + i * 17) % 400}")
