"""Sixty tasks wait for their next message, each for a future of its own, which the hub that holds it sets now and then."""
import asyncio
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class Hub:
    def __init__(self, loop):
        self.loop = loop
        self.mailboxes = {}
        self.clients = set()
        self.last = {}

    async def listen(self, name):
        while True:
            self.mailboxes[name] = self.loop.create_future()
            self.last[name] = await self.mailboxes[name]

    async def start(self):
        for name in range(60):
            self.clients.add(asyncio.ensure_future(self.listen(name)))
        await asyncio.sleep(0)

    async def send(self, number):
        self.mailboxes[number % 60].set_result({"number": number, "text": f"message {number}"})
        await asyncio.sleep(0)


def setup():
    global loop, hub
    loop = asyncio.new_event_loop()
    hub = Hub(loop)
    loop.run_until_complete(hub.start())


def round(n):
    for _ in range(n):
        loop.run_until_complete(hub.send(next(numbers)))
