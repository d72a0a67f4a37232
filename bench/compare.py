"""Compares two heaplake binaries on the same work, in turn, and prints medians and ratios.

usage: python3 bench/compare.py OLD NEW [--dump FILE] [--objects N] [--runs R] [--only JOB,...] [--markdown]

For a change of the build (optimisation levels, a dependency, a compiler) or of the code: did anything become slower? Each
measurement is a whole process. Wall time is what a user waits for; processor time (user and system) is steadier where
other programs share the machine. Ratios are NEW / OLD, taken round by round. Each binary makes lakes of its own.

Without `--dump`, a dump is generated, for which `cargo build --release --workspace` must have been run.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile

import run as benchmark

REPOSITORY = benchmark.HERE.parent
HISTOGRAM = benchmark.HISTOGRAM
PATH = "root ..> (LmsModuleSystem -> dict? -> CombinedSystem ->)+ LmsModuleSystem"


class Comparison:
    """The two binaries, their lakes, and the dump."""

    def __init__(self, binaries, dump, work, arguments):
        self.binaries = binaries
        self.dump = dump
        self.work = work
        self.arguments = arguments

    def lake(self, side, name):
        """The folder of a lake of one side."""
        return self.work / f"{name}-{side}"

    def command(self, side, name, *words):
        """A command line of one side on its lake."""
        return [self.binaries[side], "--quiet", "--lake", self.lake(side, name), *words]

    def importing(self, side, name, dump, *options):
        """The command line of an import that replaces the dump, as often as it runs."""
        return self.command(side, name, "import", "--replace", "--dump", dump.name.split(".")[0], *options, dump)

    def prepare(self):
        """The lakes that the questions need: the large dump, and forty small ones."""
        edx = sorted((REPOSITORY / "datasets" / "edx" / "py38").glob("*.dump.gz"))
        for side in range(2):
            benchmark.run(self.importing(side, "all", self.dump))
            for number in range(40):
                benchmark.run(self.command(side, "forty", "import", "--dump", f"d{number:02}", edx[number % len(edx)]))

    def job_import(self):
        """Tables, graph index, dominators, retained sizes, holders."""
        self.row("import, everything", lambda side: self.importing(side, "work", self.dump))

    def job_tables(self):
        """The tables alone."""
        self.row("import, tables only", lambda side: self.importing(side, "work", self.dump, "--no-index"))

    def job_start(self):
        """Start of the process and of a session."""
        self.row("start: select 1", lambda side: self.command(side, "forty", "sql", "select 1"), times=6)

    def job_sql(self):
        """A first question, and the same one twenty times in one process."""
        self.row("first SQL: histogram", lambda side: self.command(side, "all", "sql", HISTOGRAM), times=4)
        join = ("select p.type, count(*) from edge e join obj p on p.address = e.parent join obj c on c.address = e.child"
                " where c.type = 'dict' group by p.type order by 2 desc, 1 limit 20")
        self.row("first SQL: two joins of all edges", lambda side: self.command(side, "all", "sql", join))
        warm = "; ".join([HISTOGRAM] * 20)
        self.row("warm SQL: the histogram 20 times", lambda side: self.command(side, "all", "sql", warm))
        small = "; ".join(["select type, count(*), sum(size) from obj where size > 100 group by type order by 3 desc limit 5"] * 200)
        self.row("warm SQL: a small dump 200 times", lambda side: self.command(side, "forty", "sql", small))

    def job_path(self):
        """Path patterns."""
        self.row("path: a chain in a large dump", lambda side: self.command(side, "all", "path", PATH), times=4)
        self.row("path: a small dump", lambda side: self.command(side, "forty", "path", PATH), times=4)

    def job_diff(self):
        """Comparison by summaries and by objects."""
        words = ["diff", "d00", "d01"]
        self.row("diff by type", lambda side: self.command(side, "forty", *words), times=4)
        self.row("diff by holder", lambda side: self.command(side, "forty", *words, "--by", "holder"), times=4)
        self.row("diff by object", lambda side: self.command(side, "forty", *words, "--by", "object"), times=4)

    def job_trend(self):
        """A trend over forty dumps."""
        self.row("trend over 40 dumps", lambda side: self.command(side, "forty", "trend"), times=4)

    def row(self, title, command, times=1):
        """Runs both sides in turn, a round to warm up first, and prints a row."""
        rounds = [[], []]
        for number in range(times * self.arguments.runs + 1):
            for side in (0, 1) if number % 2 else (1, 0):
                measured = benchmark.run(command(side))
                if number:
                    rounds[side].append(measured)
        cells = [title]
        for what in ("wall", "cpu"):
            values = [[getattr(one, what) for one in side] for side in rounds]
            ratio = statistics.median(new / max(old, 1e-9) for old, new in zip(*values))
            cells += [f"{statistics.median(values[0]):.3f}", f"{statistics.median(values[1]):.3f}", f"{ratio:.2f}"]
        cells += [f"{max(one.peak_mb for one in side):.0f}" for side in rounds]
        print_row(cells, self.arguments.markdown)


def print_row(cells, markdown):
    """Prints a row at once; the comparison takes a while."""
    print(("| " + " | ".join(cells) + " |") if markdown else "  ".join(f"{cell:>10}" for cell in cells), flush=True)


JOBS = [name.removeprefix("job_") for name in vars(Comparison) if name.startswith("job_")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--dump", type=pathlib.Path, help="the large dump")
    parser.add_argument("--objects", type=int, default=10_000_000, help="objects of the generated one")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(JOBS), help=f"of {','.join(JOBS)}")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    jobs = arguments.only.split(",")
    if unknown := set(jobs) - set(JOBS):
        sys.exit(f"no such job: {', '.join(unknown)}")
    dump = arguments.dump or benchmark.generate(arguments.objects)
    with tempfile.TemporaryDirectory(dir=benchmark.HERE, prefix="work-") as work:
        comparison = Comparison([arguments.old.resolve(), arguments.new.resolve()], dump, pathlib.Path(work), arguments)
        comparison.prepare()
        print_row(["work", "old s", "new s", "ratio", "old CPU s", "new CPU s", "ratio", "old MB", "new MB"],
                  arguments.markdown)
        if arguments.markdown:
            print("|---|---|---|---|---|---|---|---|---|")
        for job in jobs:
            getattr(comparison, f"job_{job}")()


if __name__ == "__main__":
    main()
