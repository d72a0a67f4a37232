"""An asyncio queue whose consumer died of an error that nobody looked at."""
import asyncio
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["queue_without_consumer", "growing_container"], "type": "Measurement"}

numbers = itertools.count(1)


class Measurement:
    def __init__(self, number):
        self.sensor = f"sensor {number % 20}"
        self.values = [number + i / 10 for i in range(20)]


class Collector:
    def __init__(self):
        self.queue = asyncio.Queue()
        self.task = None

    async def consume(self):
        await self.queue.get()
        raise ValueError("no such sensor")

    async def start(self):
        self.task = asyncio.ensure_future(self.consume())
        await self.queue.put("first")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def put(self, measurement):
        await self.queue.put(measurement)


def setup():
    global loop, collector
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    collector = Collector()
    loop.run_until_complete(collector.start())


def round(n):
    for _ in range(n):
        loop.run_until_complete(collector.put(Measurement(next(numbers))))


def holder():
    return Alternatives([collector.queue._queue, collector.queue, collector])


def release():
    collector.queue._queue.clear()
