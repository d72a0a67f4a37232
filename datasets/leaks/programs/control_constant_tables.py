"""Large tables that never change: half of the heap, and no leak."""
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Town:
    __slots__ = ("name", "zip", "position")

    def __init__(self, number):
        self.name = f"town {number}"
        self.zip = f"{number:05}"
        self.position = (number / 7, number / 11)


def setup():
    global towns, by_zip
    towns = [Town(number) for number in range(3000)]
    by_zip = {town.zip: town for town in towns}


def round(n):
    for _ in range(n):
        assert by_zip[f"{next(numbers) % 3000:05}"].name
