"""Metadata of an object-relational mapper: a mapper for each of forty models, made at its first use."""
import itertools

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Property:
    def __init__(self, model, name):
        self.key = f"{model}.{name}"
        self.sql = f"{model}_table.{name} AS {model}_{name}"


class Mapper:
    def __init__(self, model):
        self.model = model
        self.properties = {name: Property(model, name) for name in ("id", "name", "created", "changed", "owner")}
        self.row_type = type(model, (), {"mapper": self})


class Registry:
    def __init__(self):
        self.mappers = {}

    def mapper(self, model):
        if model not in self.mappers:
            self.mappers[model] = Mapper(model)
        return self.mappers[model]


def setup():
    global registry
    registry = Registry()


def round(n):
    for _ in range(n):
        number = next(numbers)
        registry.mapper(f"Model{min(number // 4, number % 40, 39)}")
