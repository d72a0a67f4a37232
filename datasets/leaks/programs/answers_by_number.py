"""Futures by the number of their message; where the answer gets lost, the future stays, and who waits for it."""
import asyncio
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["pending_task", "growing_container"], "type": ["Future", "Task", "coroutine", "Letter"]}

numbers = itertools.count(1)


class Letter:
    def __init__(self, number):
        self.number = number
        self.pages = [f"page {i} of {number}" for i in range(8)]


class Correspondence:
    def __init__(self, loop):
        self.loop = loop
        self.waiting = {}

    async def write(self, letter):
        answer = self.waiting[letter.number] = self.loop.create_future()
        return await answer, letter

    async def post(self, letter):
        asyncio.ensure_future(self.write(letter))
        await asyncio.sleep(0)


def setup():
    global loop, correspondence
    loop = asyncio.new_event_loop()
    correspondence = Correspondence(loop)


def round(n):
    for _ in range(n):
        loop.run_until_complete(correspondence.post(Letter(next(numbers))))


def holder():
    return Alternatives([correspondence.waiting, correspondence])


def release():
    for future in correspondence.waiting.values():
        future.cancel()
    correspondence.waiting.clear()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
