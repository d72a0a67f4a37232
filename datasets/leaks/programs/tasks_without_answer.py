"""A task a request waits for a future that nobody will ever set; a set keeps the tasks from being collected."""
import asyncio
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["pending_task", "growing_container"], "type": ["Task", "coroutine", "Inquiry"]}

numbers = itertools.count(1)


class Inquiry:
    def __init__(self, number):
        self.text = f"inquiry {number} " * 30


class Desk:
    def __init__(self):
        self.background = set()

    async def ask(self, inquiry):
        await asyncio.get_running_loop().create_future()
        return inquiry

    async def start(self, inquiry):
        task = asyncio.ensure_future(self.ask(inquiry))
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        await asyncio.sleep(0)


def setup():
    global loop, desk
    loop = asyncio.new_event_loop()
    desk = Desk()


def round(n):
    for _ in range(n):
        loop.run_until_complete(desk.start(Inquiry(next(numbers))))


def holder():
    return Alternatives([desk.background, desk, *desk.background])


def release():
    for task in list(desk.background):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
