"""An object store on loopback (moto), and a proxy before it that makes mistakes."""

import http.client
import itertools
import os
import random
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lake import Lake

BUCKET = "heaps"
SECRET = "hunter2-hunter2-hunter2"

#: Not of the folder that is copied: locks and work, and seals, which are about one file system.
LOCAL = ("tmp/", ".seal")


class Store:
    """A store in a thread of its own. Its objects can be looked at, spoilt, and made older."""

    def __init__(self):
        # Only where moto is installed.
        from moto.moto_server.threaded_moto_server import ThreadedMotoServer

        # moto does not check credentials, but wants a region when it is imported.
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        self.host, self.port = self.server.get_host_and_port()
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.request("PUT", f"/{BUCKET}")
        assert connection.getresponse().status == 200
        connection.close()

    @property
    def endpoint(self):
        return f"http://{self.host}:{self.port}"

    @property
    def _keys(self):
        from moto.s3.models import s3_backends

        return next(iter(s3_backends["123456789012"].values())).buckets[BUCKET].keys

    def objects(self, prefix):
        """Name (below the prefix) to the object, as moto has it."""
        keys = self._keys
        return {name.removeprefix(prefix + "/"): keys[name] for name in keys if name.startswith(prefix + "/")}

    def content(self, prefix):
        """Name to bytes."""
        return {name: bytes(key.value) for name, key in self.objects(prefix).items()}

    def age(self, prefix, days, wanted=lambda _: True):
        """Makes objects older."""
        for name, key in self.objects(prefix).items():
            if wanted(name):
                key.last_modified = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(days=days)

    def put(self, prefix, name, content, like=None):
        """Puts an object past all commands, with what is kept beside that of another."""
        from moto.s3.models import s3_backends

        key = f"{prefix}/{name}"
        metadata = self._keys[f"{prefix}/{like}"].metadata if like else None
        backend = next(iter(s3_backends["123456789012"].values()))
        put = backend.put_object(BUCKET, key, content)
        if metadata is not None:
            put.set_metadata(metadata, replace=True)

    def lose(self, prefix, name):
        """Deletes an object."""
        self._keys.pop(f"{prefix}/{name}")

    def stop(self):
        self.server.stop()


@dataclass
class Request:
    """A request as the proxy sees it; n counts from 1."""

    n: int
    method: str
    path: str
    is_conditional: bool
    sent: int = 0
    received: int = 0


#: What a proxy can do to a request, and whether the store then has seen it.
FAULTS = {
    "delay": True,
    "reset": False,
    "lost": True,
    "truncated": True,
    "409": False,
    "503": False,
    "slow down": False,
}


def no_fault(_request):
    return None


@dataclass
class Mistakes:
    """Makes mistakes by chance, but not forever: after a few requests for the same thing in a row one is answered."""

    seed: int
    share: float = 0.3
    in_a_row: int = 3
    n_made: int = 0
    rows: dict = field(default_factory=dict)

    def __post_init__(self):
        self.chance = random.Random(self.seed)
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            key = (request.method, request.path)
            fault = self.chance.choice(list(FAULTS)) if self.chance.random() < self.share else None
            if fault == "409" and not request.is_conditional:
                fault = "503"
            self.rows[key] = self.rows.get(key, 0) + 1 if fault not in (None, "delay") else 0
            if self.rows[key] > self.in_a_row:
                self.rows[key], fault = 0, None
            self.n_made += fault is not None
            return fault


class Proxy:
    """Stands between a client and the store. `fault` says what goes wrong with a request; `before` and `after` are called around
    its way through the store."""

    def __init__(self, store, fault=no_fault, before=None, after=None):
        self.store, self.fault, self.before, self.after = store, fault, before, after
        self.requests = []
        self.numbers = itertools.count(1)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except (ConnectionError, ValueError):
                    # The client was killed.
                    self.close_connection = True

            def do_any(self):
                proxy.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        is_conditional = "if-match" in handler.headers or "if-none-match" in handler.headers
        request = Request(next(self.numbers), handler.command, handler.path, is_conditional and handler.command == "PUT", len(body))
        self.requests.append(request)
        fault = self.fault(request)
        if self.before:
            self.before(request)
        if fault == "reset":
            return self.hang_up(handler)
        if fault == "409":
            return self.answer(handler, 409, error_body("ConditionalRequestConflict"))
        if fault == "503":
            return self.answer(handler, 503, b"")
        if fault == "slow down":
            return self.answer(handler, 503, error_body("SlowDown"))
        if fault == "delay":
            time.sleep(0.15)
        status, headers, answer = self.forward(handler, body)
        request.received = len(answer)
        if self.after:
            self.after(request)
        if fault == "lost" or (fault == "truncated" and len(answer) < 2):
            return self.hang_up(handler)
        self.answer(handler, status, answer, headers, is_truncated=fault == "truncated")

    def forward(self, handler, body):
        connection = http.client.HTTPConnection(self.store.host, self.store.port, timeout=60)
        try:
            headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("connection", "accept-encoding")}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def answer(self, handler, status, body, headers=(), is_truncated=False):
        handler.send_response_only(status)
        length = len(body)
        for name, value in headers:
            if name.lower() == "content-length" and handler.command == "HEAD":
                length = int(value)
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                handler.send_header(name, value)
        handler.send_header("content-length", str(length))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body[: len(body) // 2] if is_truncated else body)
        if is_truncated:
            self.hang_up(handler)

    @staticmethod
    def hang_up(handler):
        handler.close_connection = True
        try:
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def error_body(code):
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made by the test</Message></Error>".encode()


@contextmanager
def proxy(store, **options):
    running = Proxy(store, **options)
    try:
        yield running
    finally:
        running.stop()


def variables(endpoint):
    """What tells a command which store to ask, and as whom."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "HEAPLAKE_CACHE": "",
    }


def lake_at(path, endpoint):
    """A lake folder whose commands know a store."""
    return Lake(path, variables(endpoint))


class StoreLake(Lake):
    """A lake in a store. It is named by the environment, so that no command that is shown has its address."""

    def __init__(self, url, endpoint, cache, **more):
        super().__init__(cache, variables(endpoint) | {"HEAPLAKE_LAKE": url, "HEAPLAKE_CACHE": str(cache)} | more)

    def command(self, *args):
        return [super().command()[0], *map(str, args)]

    def cached(self):
        """The tables and indexes that are here."""
        return [path for path in self.path.glob("lakes/*/*/dump=*/*") if path.suffix in (".parquet", ".graph")]


def files(lake):
    """All that is copied of a folder: path to bytes."""
    paths = (path for path in lake.path.rglob("*") if path.is_file())
    names = {path.relative_to(lake.path).as_posix(): path for path in paths}
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if not name.startswith(LOCAL[0]) and not name.endswith(LOCAL[1])
    }
