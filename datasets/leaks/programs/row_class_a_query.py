"""A class of rows is made for every query and kept by the text of the query."""
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["class_per_request", "growing_container", "unbounded_cache"], "type": "type"}

numbers = itertools.count(1)
row_types = {}


def row_type(query):
    if query not in row_types:
        row_types[query] = type("Row", (), {"__slots__": ("id", "name"), "query": query})
    return row_types[query]


def setup():
    pass


def round(n):
    for _ in range(n):
        row = row_type(f"select id, name from t where id = {next(numbers)}")()
        row.id = 1


def holder():
    return row_types


def release():
    row_types.clear()
