"""Measures the capture script: objects a second, the pause of the program, and memory, beside a process that does nothing else.

    python3 bench/capture.py [--objects 1000000,5000000] [--python PYTHON]...
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "crates/capture/script"))
import join

#: Eight objects an order: instance, strings, numbers, list, tuple, dictionary.
PROGRAM = """
import json, os, resource, sys
import heaplake_dump
class Order:
    def __init__(self, i):
        self.id = i + 1000
        self.customer = "customer %d" % i
        self.lines = [i * 1.5, (i, None)]
        self.tags = {"state": "open", "n": str(i)}
def with_memory(job, objects, write=heaplake_dump._Job._result):
    # In the child, which is nobody's child: its memory goes with its answer.
    result = write(job, objects)
    result["child"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return result
heaplake_dump._Job._result = with_memory
orders = [Order(i) for i in range(int(sys.argv[1]) // 8)]
result = heaplake_dump.dump(sys.argv[2])
result["rss"] = heaplake_dump._rss()
print(json.dumps(result))
"""


def measure(python, n_objects, folder):
    path = Path(folder) / "heap.dump.gz"
    join.write(folder)
    command = [python, "-c", PROGRAM, str(n_objects), str(path)]
    output = subprocess.run(command, env={"PYTHONPATH": str(folder)}, check=True, capture_output=True).stdout
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", default="1000000,5000000")
    parser.add_argument("--python", action="append")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    print("| Python | objects | objects/s | pause ms | program MB | child MB | file MB |")
    print("|---|---|---|---|---|---|---|")
    for python in args.python or [sys.executable]:
        version = subprocess.check_output([python, "-V"], text=True).split()[1]
        for n_objects in map(int, args.objects.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                results = [measure(python, n_objects, folder) for _ in range(args.runs)]
            results.sort(key=lambda result: result["seconds"])
            r = results[len(results) // 2]
            rate, pause = r["objects"] / r["seconds"], r["pause"] * 1000
            sizes = [f"{r[name] / 1e6:.0f}" for name in ("rss", "child", "bytes")]
            print(f"| {version} | {r['objects']:,} | {rate:,.0f} | {pause:.1f} | {' | '.join(sizes)} |", flush=True)


if __name__ == "__main__":
    main()
