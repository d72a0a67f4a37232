"""A descriptor keeps the values of all instances in a dictionary whose keys are the instances."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["growing_container", "unbounded_cache"], "type": "Form"}

numbers = itertools.count(1)


class Field:
    def __init__(self):
        self.values = {}

    def __get__(self, instance, owner):
        return self if instance is None else self.values.get(instance)

    def __set__(self, instance, value):
        self.values[instance] = value


class Form:
    name = Field()

    def __init__(self, number):
        self.number = number
        self.name = f"name of {number} " * 25


def setup():
    pass


def round(n):
    for _ in range(n):
        Form(next(numbers))


def holder():
    return Alternatives([Form.name.values, Form.name])


def release():
    Form.name.values.clear()
