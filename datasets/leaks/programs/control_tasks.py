"""Tasks of asyncio that end, and four that wait for their next hour."""
import asyncio
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


async def every_hour(name):
    state = {"name": name}
    while True:
        await asyncio.sleep(3600)
        state["again"] = True


async def answer(number):
    await asyncio.gather(*[asyncio.sleep(0) for _ in range(3)])
    return f"answer {number}" * 20


async def start():
    for name in ("a", "b", "c", "d"):
        hourly.add(asyncio.ensure_future(every_hour(name)))
    await asyncio.sleep(0)


def setup():
    global loop, hourly
    hourly = set()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())


def round(n):
    for _ in range(n):
        loop.run_until_complete(answer(next(numbers)))
