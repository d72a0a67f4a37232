"""Statements over many dumps: alone, and spread over workers, which are processes of this machine.

usage: python3 bench/cluster.py [--dumps N] [--objects N] [--workers 1,2,4] [--runs R] [--keep DIR]

Imports N dumps of the generator into one lake, asks each statement alone and with every number of workers in turn, compares the rows,
and prints medians, and the bytes that each worker has read. Workers share the cores of this machine, so more workers make nothing
faster here: what it shows is what spreading costs, and that the work is divided. `cargo build --release --workspace` must have been run.
"""
import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from run import TARGET, generate

STATEMENTS = {
    "one row of a small table": "select count(*) from dump",
    "one dump, by type": "select type, count(*), sum(size) from obj group by type",
    "all dumps, by type": "select type, count(*), sum(size) from history.obj group by type",
    "one dump, references by types": "select p.type, c.type t, count(*) from edge e"
    " join obj p on e.parent = p.address join obj c on e.child = c.address group by 1, 2",
    "all dumps, objects by size": "select dump, address, size from history.obj order by size desc, dump, address limit 100",
    "all dumps, summaries": "select type, max(size) - min(size) from history.type_stat group by type",
}


def heaplake(lake, *args, env=None):
    command = [TARGET / "heaplake", "--lake", lake, *args]
    result = subprocess.run(command, env=os.environ | (env or {}), capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{args}: {result.stderr}")
    return result


class Worker:
    """A worker, and what the operating system says that it has read."""

    def __init__(self, lake):
        command = [TARGET / "heaplake", "--lake", lake, "worker", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[-1]

    def n_read(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("rchar")))


@contextlib.contextmanager
def workers(lake, n):
    running = [Worker(lake) for _ in range(n)]
    try:
        yield running
    finally:
        for worker in running:
            worker.process.terminate()
            worker.process.wait()


def ask(lake, statement, env=None):
    start = time.perf_counter()
    result = heaplake(lake, "sql", "--format", "csv", statement, env=env)
    return time.perf_counter() - start, sorted(result.stdout.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dumps", type=int, default=40)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the lake, which is used again")
    args = parser.parse_args()
    counts = [int(n) for n in args.workers.split(",")]
    with contextlib.ExitStack() as stack:
        folder = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lake = folder / "lake"
        if not lake.exists():
            file = generate(args.objects)
            for n in range(args.dumps):
                heaplake(lake, "--quiet", "import", "--no-index", "--dump", f"d{n}", file)
        fleets = {n: stack.enter_context(workers(lake, n)) for n in counts}
        print("| statement | alone | " + " | ".join(f"{n} workers" for n in counts) + " | read by each of the last |")
        print("|---|---" + "|---" * len(counts) + "|---|")
        for name, statement in STATEMENTS.items():
            times = {n: [] for n in [0, *counts]}
            n_read = []
            for _ in range(args.runs):
                seconds, expected = ask(lake, statement)
                times[0].append(seconds)
                for n, fleet in fleets.items():
                    before = [worker.n_read() for worker in fleet]
                    addresses = ",".join(worker.address for worker in fleet)
                    seconds, found = ask(lake, statement, {"HEAPLAKE_CLUSTER": addresses})
                    if found != expected:
                        sys.exit(f"{name}: {n} workers give other rows")
                    times[n].append(seconds)
                    n_read = [worker.n_read() - old for worker, old in zip(fleet, before)]
            cells = [f"{statistics.median(times[n]):.2f} s" for n in [0, *counts]]
            print(f"| {name} | {' | '.join(cells)} | {', '.join(f'{n / 1e6:.1f}' for n in n_read)} MB |", flush=True)


if __name__ == "__main__":
    main()
