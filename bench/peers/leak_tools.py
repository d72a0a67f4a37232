"""Runs a program of datasets/leaks with another tool in it, and prints what that tool names first, as JSON.

usage: leak_tools.py objgraph|tracemalloc|pympler PROGRAM.py plain|service

The tool looks at the first and at the last of five moments, which is the most that it can weigh. `types` are the types that grew
most, `lines` (tracemalloc) the files of the lines that allocated most, the first three of each.
"""

import json
import os
import sys
from pathlib import Path

LEAKS = Path(__file__).resolve().parent.parent.parent / "datasets" / "leaks"
sys.path.insert(0, str(LEAKS))
import driver


class Objgraph:
    def look(self):
        import objgraph

        return objgraph.growth(limit=3)

    def compared(self, first, last):
        return {"types": [name for name, _, _ in last], "lines": []}


class Tracemalloc:
    def __init__(self):
        import tracemalloc

        self.tracemalloc = tracemalloc
        tracemalloc.start()

    def look(self):
        return self.tracemalloc.take_snapshot()

    def compared(self, first, last):
        grown = [stat for stat in last.compare_to(first, "lineno") if stat.size_diff > 0]
        return {"types": [], "lines": [stat.traceback[0].filename for stat in grown[:3]]}


class Pympler:
    def look(self):
        from pympler import muppy, summary

        return summary.summarize(muppy.get_objects())

    def compared(self, first, last):
        from pympler import summary

        grown = sorted(summary.get_diff(first, last), key=lambda row: -row[2])
        return {"types": [name.split("<class ")[-1].split(" ")[0].strip("'>").split(".")[-1] for name, _, _ in grown[:3]], "lines": []}


class PeerRun(driver.Run):
    """A run whose moments are looks of a tool."""

    def __init__(self, program, options, tool):
        super().__init__(program, options)
        self.tool = tool
        self.looks = []

    def dump(self, number):
        if number in (1, self.options.moments):
            self.looks.append(self.tool.look())


def main():
    tool, program, dressing = sys.argv[1:]
    tool = {"objgraph": Objgraph, "tracemalloc": Tracemalloc, "pympler": Pympler}[tool]()
    options = driver.Options([program, "nowhere", "--dressing", dressing])
    sys.modules["driver"] = driver
    run = PeerRun(driver.load(program, "__main__" if dressing == "plain" else "app"), options, tool)
    run.all_moments()
    print(json.dumps(tool.compared(*run.looks)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
