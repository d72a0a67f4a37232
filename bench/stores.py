"""A lake in an object store beside the same lake in a folder: seconds, requests, and bytes of both directions.

The store is moto on loopback, so seconds are moto's as well as ours; requests and bytes, which it counts, are what a
network and a bill would see. Bytes are those of bodies: objects, and the store's lists.
"""
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

from run import HERE, generate, run

BUCKET = "heaps"
# Dumps of the lake that is listed.
SERIES = 100


class Moto:
    """The store, in a process of its own."""

    def __init__(self, python):
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port = chosen.getsockname()[1]
        environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
        command = [python, HERE / "peers" / "store_moto.py", str(self.port)]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with contextlib.suppress(OSError):
                self.ask("PUT", f"/{BUCKET}")
                return
            time.sleep(0.1)
        raise SystemExit("moto does not start; bench/.venv was made without it, perhaps: delete it")

    def ask(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def counts(self):
        """Requests so far, bytes that were sent to it, and bytes that came from it."""
        return json.loads(self.ask("GET", "/-/counts"))

    def stop(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def moto(python):
    server = Moto(python)
    try:
        yield server
    finally:
        server.stop()


def measure(bench, work):
    """Imports, and asks, in a folder and in a store; lists many dumps."""
    with moto(bench.python) as server:
        cache = work / "cache"
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "HEAPLAKE_CACHE": str(cache),
        }
        measured = Measured(bench, server, cache, environment)
        dump = generate(bench.arguments.objects // 10)
        folder, store = work / "lake", f"s3://{BUCKET}/bench"
        measured.compare("store: import of a tenth", {
            "a folder": (bench.importing_all(folder, dump), None),
            "a store": (bench.importing_all(store, dump), None),
        })
        question = "select type, count(*) as n, sum(size) as bytes from obj group by type order by bytes desc, type limit 10"
        for title, words in {
            "sql": ["sql", question],
            "path": ["path", "--format", "csv", "root ..> CombinedSystem"],
        }.items():
            ask = [bench.heaplake, "--quiet", "--lake"]
            measured.compare(f"store: {title}", {
                "a folder": ([*ask, folder, *words], None),
                "a store, nothing in the cache": ([*ask, store, *words], measured.forget),
                "a store, asked before": ([*ask, store, *words], None),
            })
        series, many = work / "series", f"s3://{BUCKET}/many"
        moments = work / "moments"
        moments.mkdir()
        for moment in range(SERIES):
            bench.write_moment(moments / f"d{moment:04}.json", moment, {1, 2, 3})
        run([bench.heaplake, "--quiet", "--lake", series, "import", "--no-index", *sorted(moments.iterdir())])
        push = [bench.heaplake, "--quiet", "--lake", series, "push", "--to", many]
        measured.compare(f"store: push of {SERIES} small dumps", {"a store": (push, None)}, runs=1)
        for title, words in {"dumps": ["dumps", "--format", "csv"], "trend": ["trend", "--format", "csv"]}.items():
            ask = [bench.heaplake, "--quiet", "--lake"]
            measured.compare(f"store: {title} of {SERIES} dumps", {
                "a folder": ([*ask, series, *words], None),
                "a store, nothing in the cache": ([*ask, many, *words], measured.forget),
                "a store, asked before": ([*ask, many, *words], None),
            })


class Measured:
    """Runs commands in turn, and prints what each took."""

    def __init__(self, bench, server, cache, environment):
        self.bench, self.server, self.cache, self.environment = bench, server, cache, environment

    def forget(self):
        shutil.rmtree(self.cache, ignore_errors=True)

    def compare(self, title, commands, runs=None):
        """`commands` are by name, each with what is done before it; ratios are to the first."""
        rounds = {name: [] for name in commands}
        for number in range((runs or self.bench.arguments.runs) + 1):
            for name, (command, before) in commands.items():
                if before:
                    before()
                start = self.server.counts()
                process = run(command, env=self.environment)
                counts = [after - before for after, before in zip(self.server.counts(), start)]
                # The first round only warms up.
                if number or runs == 1:
                    rounds[name].append((process, counts))
            if runs == 1:
                break
        first = next(iter(rounds.values()))
        for name, measured in rounds.items():
            walls = [process.wall for process, _ in measured]
            ratio = statistics.median(one.wall / ours.wall for (one, _), (ours, _) in zip(measured, first))
            requests, sent, received = (statistics.median(counts[i] for _, counts in measured) for i in range(3))
            asked = f": {requests:.0f} requests, {received / 1e6:.2f} MB received, {sent / 1e6:.2f} sent" if requests else ""
            self.bench.row(title, name + asked, f"{statistics.median(walls):.2f}", f"{min(walls):.2f}-{max(walls):.2f}",
                           f"{statistics.median(process.cpu for process, _ in measured):.2f}",
                           f"{max(process.peak_mb for process, _ in measured):.0f}", f"{ratio:.2f}")
