"""The text of a transcript is one string that is made anew, and longer, with each message."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": "huge_object", "type": "str"}

numbers = itertools.count(1)


class Transcript:
    def __init__(self):
        self.text = ""


def setup():
    global transcript
    transcript = Transcript()


def round(n):
    for _ in range(n):
        transcript.text += f"message {next(numbers)}: " + "hello there " * 80 + "\n"


def holder():
    return Alternatives([transcript, transcript.text])


def release():
    transcript.text = ""
