"""How time, memory and room on the disk grow with the size of a dump: an import of everything from a pipe, then two questions.

usage: python3 bench/scale.py [--objects N,...] [--memory-limit SIZE] [--generator PROGRAM] [--keep DIR]

The dump is never a file: the generator writes into a pipe that the import reads. Memory is sampled ten times a second: what is the
process's own, and with it what is mapped of files, which the system may take back. "tmp" is the most that the import had on the disk
beside what stays. A dump of N objects needs about 200 bytes of room on the disk for each. `cargo build --release --workspace` must have
been run. --generator is another program that takes a number of objects as its last argument and writes the dump to standard output.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from run import HERE, TARGET, run

QUESTIONS = {"path": ["path", "root ..> str"], "histogram": ["run", "histogram"]}


def memory(pid):
    """Bytes of memory of a process: its own, and all that is mapped; nothing once it has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss")}
    return found.get("RssAnon", 0), sum(found.values())


def n_bytes(folder, pattern="*"):
    """Bytes of the files below a folder; some may vanish meanwhile."""
    total = 0
    for path in folder.rglob(pattern):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            pass
    return total


class Sampled:
    """The most memory of a process and the most room on the disk while it runs."""

    def __init__(self, process, folder):
        self.own, self.mapped, self.disk = 0, 0, 0
        self.process, self.folder = process, folder
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()

    def sample(self):
        while self.process.poll() is None:
            own, mapped = memory(self.process.pid)
            self.own, self.mapped = max(self.own, own), max(self.mapped, mapped)
            self.disk = max(self.disk, n_bytes(self.folder))
            time.sleep(0.1)


def measure(objects, arguments, lake):
    limit = ["--memory-limit", arguments.memory_limit] if arguments.memory_limit else []
    generator = [arguments.generator] if arguments.generator else [TARGET / "heapgen", "--seed", "1", "--objects"]
    start = time.perf_counter()
    dump = subprocess.Popen([*generator, str(objects)], stdout=subprocess.PIPE)
    command = [TARGET / "heaplake", "--quiet", "--lake", lake, "import", "--dump", "scale", *limit, "-"]
    importing = subprocess.Popen(command, stdin=dump.stdout, stderr=subprocess.PIPE)
    dump.stdout.close()
    sampled = Sampled(importing, lake)
    errors = importing.stderr.read().decode()
    sampled.thread.join()
    wall = time.perf_counter() - start
    if importing.returncode or dump.wait():
        sys.exit(errors)
    tables, index = n_bytes(lake, "*.parquet"), n_bytes(lake, "*.graph")
    seconds = [run([TARGET / "heaplake", "--lake", lake, *question]).wall for question in QUESTIONS.values()]
    per_object = [tables / objects, index / objects, (sampled.disk - tables - index) / objects]
    cells = [f"{objects / 1e6:g} M", f"{wall:.1f}", f"{wall / objects * 1e6:.2f}", f"{sampled.own / 1e6:.0f}",
             f"{sampled.mapped / 1e6:.0f}", f"{sampled.own / objects:.0f}", *(f"{one:.0f}" for one in per_object),
             *(f"{one:.2f}" for one in seconds)]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", default="1000000,10000000", help="1000000,10000000 by default")
    parser.add_argument("--memory-limit")
    parser.add_argument("--generator")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the lakes here")
    arguments = parser.parse_args()
    columns = ["objects", "s", "s a million", "memory MB", "with files MB", "memory B/object", "Parquet B/object", "index B/object",
               "tmp B/object", *(f"{name} s" for name in QUESTIONS)]
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for objects in map(int, arguments.objects.split(",")):
        with tempfile.TemporaryDirectory(dir=HERE, prefix="work-") as work:
            folder = arguments.keep or pathlib.Path(work)
            folder.mkdir(parents=True, exist_ok=True)
            measure(objects, arguments, folder / f"lake-{objects}")


if __name__ == "__main__":
    main()
