"""A view of one column is kept of every table that was loaded, by name; the table's memory is under it."""
import array
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["buffer_view", "growing_container", "unbounded_cache"],
         "type": ["memoryview", "array", "managedbuffer"]}

numbers = itertools.count(1)
columns = {}


def load(number):
    table = array.array("d", [number + i for i in range(400)])
    return memoryview(table)


def setup():
    pass


def round(n):
    for _ in range(n):
        number = next(numbers)
        columns[f"price-{number}"] = load(number)[:10]


def holder():
    return columns


def release():
    columns.clear()
