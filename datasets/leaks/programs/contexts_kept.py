"""A copy of the context with every call that is planned for next week; the plan grows, and the contexts with it."""
import asyncio
import contextvars
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["context_var", "pending_task", "growing_container"], "type": ["TimerHandle", "Context", "Caller"]}

numbers = itertools.count(1)
caller = contextvars.ContextVar("caller")


class Caller:
    def __init__(self, number):
        self.name = f"caller {number}"
        self.rights = [f"right {number} {i}" for i in range(9)]


def remind(number):
    return number


def plan(number):
    caller.set(Caller(number))
    loop.call_later(600_000, remind, number)


def setup():
    global loop
    loop = asyncio.new_event_loop()


def round(n):
    for _ in range(n):
        contextvars.Context().run(plan, next(numbers))


def holder():
    return Alternatives([loop._scheduled, loop])


def release():
    loop._scheduled.clear()
