"""A client keeps responses by their whole URL, the random query string included."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["unbounded_cache", "growing_container"], "type": "Response"}

numbers = itertools.count(1)


class Response:
    def __init__(self, url, body):
        self.url = url
        self.body = body
        self.headers = {"etag": f'"{len(body):x}"', "server": "nginx"}


class Client:
    def __init__(self, base):
        self.base = base
        self.responses = {}

    def get(self, path, nonce):
        url = f"{self.base}/{path}?nonce={nonce:016x}"
        if url not in self.responses:
            self.responses[url] = Response(url, b"%d" % nonce + b"-" * 700)
        return self.responses[url]


def setup():
    global client
    client = Client("https://api.example")


def round(n):
    for _ in range(n):
        client.get("prices", next(numbers))


def holder():
    return Alternatives([client.responses, client])


def release():
    client.responses.clear()
