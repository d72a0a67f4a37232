"""Events by tenant: each of forty lists grows a little, their dictionary does not."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": "growing_container", "type": "Booking"}

numbers = itertools.count(1)


class Booking:
    def __init__(self, number):
        self.number = number
        self.note = f"note {number} " * 30
        self.guests = [f"guest {number}", f"guest {number + 1}"]


class Calendar:
    def __init__(self):
        self.by_tenant = {f"tenant-{i}": [] for i in range(40)}


def setup():
    global calendar
    calendar = Calendar()


def round(n):
    for _ in range(n):
        number = next(numbers)
        calendar.by_tenant[f"tenant-{number % 40}"].append(Booking(number))


def holder():
    return Alternatives([calendar.by_tenant, calendar])


def release():
    for bookings in calendar.by_tenant.values():
        bookings.clear()
