"""Asynchronous generators, one a download, that were left in their middle; a dictionary of downloads keeps them."""
import asyncio
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["suspended_generator", "growing_container", "pending_task"], "type": ["async_generator", "frame"]}

numbers = itertools.count(1)
downloads = {}


async def chunks(number):
    data = bytes(700)
    name = f"file {number}"
    for at in range(0, len(data), 100):
        yield name, data[at : at + 100]


async def download(number):
    stream = downloads[number] = chunks(number)
    await stream.__anext__()


def setup():
    global loop
    loop = asyncio.new_event_loop()


def round(n):
    for _ in range(n):
        loop.run_until_complete(download(next(numbers)))


def holder():
    return downloads


async def close():
    for stream in downloads.values():
        await stream.aclose()
    downloads.clear()


def release():
    loop.run_until_complete(close())
