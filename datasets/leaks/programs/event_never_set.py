"""Tasks wait for an event of asyncio that nobody sets any more; its queue of waiters grows."""
import asyncio
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["pending_task", "growing_container"], "type": ["Future", "Task", "coroutine", "Guest"]}

numbers = itertools.count(1)


class Guest:
    def __init__(self, number):
        self.name = f"guest {number} " * 30


class Gate:
    def __init__(self):
        self.opened = asyncio.Event()

    async def enter(self, guest):
        await self.opened.wait()
        return guest


async def arrive(guest):
    asyncio.ensure_future(gate.enter(guest))
    await asyncio.sleep(0)


async def open_gate():
    gate.opened.set()


def setup():
    global loop, gate
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    gate = Gate()


def round(n):
    for _ in range(n):
        loop.run_until_complete(arrive(Guest(next(numbers))))


def holder():
    return Alternatives([gate.opened._waiters, gate.opened, gate])


def release():
    loop.run_until_complete(open_gate())
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
