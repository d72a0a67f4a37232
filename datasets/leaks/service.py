"""A small shop as its programs leak in: what a service has in memory beside a leak, none of it leaking.

A catalogue that never changes, caches with a limit that still fill, sessions that come and go, connections up to a limit, a ring of
log records, counters with few labels, worker threads on a queue, an event loop with tasks that wait, modules that are imported
late. `serve` handles requests; the handler that is given to it is called within some of them.
"""

import asyncio
import collections
import functools
import itertools
import logging
import queue
import random
import threading

LATE = ["colorsys", "sched", "shlex", "pprint", "csv", "getopt", "cmd"]


class Product:
    """A row of the catalogue."""

    def __init__(self, number, rng):
        self.sku = f"SKU-{number:05}"
        self.title = f"product number {number} in colour {rng.randrange(90)}"
        self.price = rng.randrange(100, 9000) / 100
        self.tags = [f"tag-{rng.randrange(40)}" for _ in range(3)]


class Session:
    """A visitor who is there for some requests."""

    def __init__(self, name, leaves):
        self.name = name
        self.leaves = leaves
        self.cart = []
        self.seen = {}


class HttpRequest:
    def __init__(self, number, path, session):
        self.number = number
        self.path = path
        self.session = session
        self.headers = {"host": "shop.example", "agent": f"browser {number % 7}", "id": f"{number:08x}"}


class Page:
    """A rendered page."""

    def __init__(self, path, body):
        self.path = path
        self.body = body
        self.etag = f"{hash(body) & 0xFFFFFFFF:08x}"


class BoundedCache:
    """The last `limit` entries by use."""

    def __init__(self, limit):
        self.limit = limit
        self.entries = collections.OrderedDict()

    def get(self, key, make):
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key]
        value = self.entries[key] = make(key)
        while len(self.entries) > self.limit:
            self.entries.popitem(last=False)
        return value


class Connection:
    def __init__(self, number):
        self.number = number
        self.buffer = bytearray(512)
        self.statements = {}


class Pool:
    """Connections, made when they are needed, up to a limit."""

    def __init__(self, limit):
        self.limit = limit
        self.free = []
        self.made = 0

    def take(self):
        if self.free and (self.made >= self.limit or self.made % 3):
            return self.free.pop(0)
        self.made += 1
        return Connection(self.made)

    def give(self, connection):
        self.free.append(connection)


class Ring(logging.Handler):
    """The last records."""

    def __init__(self, size):
        super().__init__()
        self.records = collections.deque(maxlen=size)

    def emit(self, record):
        self.records.append(record)


class Sample:
    """A time series of one label: the last values."""

    def __init__(self):
        self.total = 0
        self.last = collections.deque(maxlen=20)

    def observe(self, value):
        self.total += 1
        self.last.append(value)


@functools.lru_cache(maxsize=256)
def exchange_rate(day, currency):
    return {"day": day, "currency": currency, "rate": (day * 7919 + currency) % 1000 / 500}


class Service:
    def __init__(self):
        self.rng = random.Random(20)
        self.numbers = itertools.count(1)
        self.catalogue = {}
        self.sessions = {}
        self.pages = BoundedCache(150)
        self.pool = Pool(12)
        self.metrics = {}
        self.jobs = queue.Queue()
        self.done = collections.deque(maxlen=50)
        self.log = logging.getLogger("shop")
        self.ring = Ring(200)
        self.late = list(LATE)
        self.loop = asyncio.new_event_loop()
        self.workers = []

    def start(self):
        """Fills what is filled at the start, starts threads, and answers the first requests."""
        self.catalogue = {product.sku: product for product in (Product(n, self.rng) for n in range(250))}
        self.log.addHandler(self.ring)
        self.log.propagate = False
        self.log.setLevel(logging.INFO)
        for name in ("mail", "index"):
            worker = threading.Thread(target=self.work, name=name, daemon=True)
            worker.start()
            self.workers.append(worker)
        threading.Thread(target=self.turn, name="loop", daemon=True).start()
        for name in ("heartbeat", "stock", "prices"):
            asyncio.run_coroutine_threadsafe(self.tick(name), self.loop)
        self.serve(60)

    def turn(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def tick(self, name):
        """Something that happens every hour."""
        state = {"name": name, "turns": 0}
        while True:
            state["turns"] += 1
            await asyncio.sleep(3600)

    async def reply(self, request):
        await asyncio.sleep(0)
        return len(request.path)

    def work(self):
        """A worker thread."""
        while True:
            job = self.jobs.get()
            self.done.append({"job": job, "result": "sent"})
            del job
            self.jobs.task_done()

    def serve(self, n, handler=None, n_handled=None):
        """Answers n requests; the handler takes part in n_handled of them (all by default), evenly spread."""
        n_handled = n if n_handled is None else n_handled
        due = 0
        for at in range(1, n + 1):
            self.request(at)
            if handler is not None:
                wanted = n_handled * at // n
                if wanted > due:
                    handler(wanted - due)
                    due = wanted
        self.jobs.join()

    def request(self, at):
        number = next(self.numbers)
        session = self.visitor(number)
        path = f"/p/{min(int(self.rng.expovariate(1 / 60)), 249)}"
        request = HttpRequest(number, path, session)
        connection = self.pool.take()
        connection.statements.setdefault(f"select {number % 5}", [number % 5])
        page = self.pages.get(path, self.render)
        self.pool.give(connection)
        session.seen[path] = page.etag
        if number % 3 == 0:
            session.cart.append(f"SKU-{self.rng.randrange(250):05}")
        exchange_rate(number % 300, at % 4)
        self.metrics.setdefault(("GET", number % 4, 200 if number % 9 else 404), Sample()).observe(number / 7)
        self.log.info("request %s of %s", path, session.name)
        self.jobs.put({"mail": session.name, "text": f"thank you for visit {number}"})
        if number % 10 == 0:
            asyncio.run_coroutine_threadsafe(self.reply(request), self.loop).result()
        if number % 23 == 0 and self.late:
            __import__(self.late.pop())

    def visitor(self, number):
        """A session that is there already, or a new one; those that left are removed."""
        for name in [name for name, session in self.sessions.items() if session.leaves < number]:
            del self.sessions[name]
        if not self.sessions or self.rng.random() < 0.35:
            session = Session(f"visitor-{number}", number + self.rng.randrange(30, 160))
            self.sessions[session.name] = session
            return session
        return self.rng.choice(list(self.sessions.values()))

    def render(self, path):
        product = self.catalogue[f"SKU-{int(path[3:]):05}"]
        return Page(path, f"<h1>{product.title}</h1>" + f"<p>{product.price} {' '.join(product.tags)}</p>" * 8)

    def stop(self):
        """Waits until nothing is on its way."""
        self.jobs.join()
