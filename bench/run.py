"""Runs heaplake and its peers on the same generated dump, in turn, and prints medians and ratios.

usage: python3 bench/run.py [--objects N] [--runs R] [--only JOB,...] [--markdown]
       python3 bench/run.py --quick [--keep VERSION]

Each measurement is a whole process: wall time, user and system time and peak memory as the operating system counts
them. The dump is read once before, so that the page cache is warm for everybody. Ratios are taken round by round,
because machines are noisy. `cargo build --release --workspace` must have been run.

--quick takes about three minutes: a small dump, DuckDB beside us for the same work, and the ratios compared with those
that were kept of the last version (bench/ratios.json). It fails where one is worse by more than a fifth. --keep VERSION
keeps the new ratios under that name, and writes docs/ratios.md.
"""
import argparse
import dataclasses
import gzip
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parent / "target" / "release"
DATA = HERE / "data"
RATIOS = HERE / "ratios.json"
PAGE = HERE.parent / "docs" / "ratios.md"
# A ratio that is worse than the kept one by more than this is a fault: runs of the same binaries differ by a tenth.
TOLERANCE = 0.2
QUICK_OBJECTS = 1_000_000
JOBS = ["import", "index", "memsee", "limit", "size", "histogram", "retained", "dominators", "paths",
        "history", "diff", "stores"]
HISTOGRAM = "select type, count(*) as n, sum(size) as bytes from obj group by type order by bytes desc, type"


@dataclasses.dataclass
class Run:
    """One finished process."""
    wall: float
    cpu: float
    peak_mb: float


def run(command, stdout=subprocess.DEVNULL, env=None):
    """Runs a command to its end; a failing one ends the benchmark."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=stdout, stderr=subprocess.PIPE, env=env)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{errors.decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def size_mb(path):
    """Bytes below a folder, or of a file, in MB."""
    files = path.rglob("*.parquet") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6


def generate(objects, moment=0):
    """The generated dump of that many objects, or a later moment of it, in the page cache."""
    DATA.mkdir(exist_ok=True)
    path = DATA / (f"{objects}-{moment}.dump" if moment else f"{objects}.dump")
    if not path.exists():
        new = path.with_suffix(".new")
        subprocess.check_call([TARGET / "heapgen", "--objects", str(objects), "--seed", "1",
                               "--chain", "1025", "--moment", str(moment), "-o", new])
        new.rename(path)
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass
    return path


class Bench:
    """The tools and the dump of one call."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.heaplake = pathlib.Path(arguments.heaplake)
        self.python = self.environment()
        self.rows = []
        # By job: DuckDB's median divided by ours, more is better for us.
        self.ratios = {}

    @staticmethod
    def environment():
        """The peers' Python, made on the first call."""
        folder = HERE / ".venv"
        if not (folder / "bin" / "python").exists():
            venv.create(folder, with_pip=True)
            subprocess.check_call([folder / "bin" / "python", "-m", "pip", "install", "--quiet",
                                   "--disable-pip-version-check", "-r", HERE / "requirements.txt"])
        return folder / "bin" / "python"

    def peer(self, name, *words):
        """The command line of a peer."""
        return [self.python, HERE / "peers" / f"{name}.py", *words]

    def importing(self, lake, dump, *options):
        """The command line of an import of the tables alone, which is what the peers do."""
        return self.importing_all(lake, dump, "--no-index", *options)

    def importing_all(self, lake, dump, *options):
        """The command line of an import with everything: roots, dominators, retained sizes."""
        return [self.heaplake, "--quiet", "--lake", lake, "import", "--replace", "--dump", "bench", *options, dump]

    def compare(self, title, commands, runs=None, env=None):
        """Runs the commands in turn; prints their medians and the ratio of each to the first."""
        rounds = {name: [] for name in commands}
        for number in range((runs or self.arguments.runs) + 1):
            for name, command in commands.items():
                measured = run(command, env=env)
                # The first round only warms up.
                if number or runs == 1:
                    rounds[name].append(measured)
        first = next(iter(rounds.values()))
        for name, measured in rounds.items():
            walls = [one.wall for one in measured]
            ratio = statistics.median(one.wall / ours.wall for one, ours in zip(measured, first))
            if name.startswith("DuckDB"):
                self.ratios[title] = ratio
            self.row(title, name, f"{statistics.median(walls):.2f}", f"{min(walls):.2f}-{max(walls):.2f}",
                     f"{statistics.median(one.cpu for one in measured):.2f}",
                     f"{max(one.peak_mb for one in measured):.0f}", f"{ratio:.2f}")

    def row(self, *cells):
        """Prints a row at once; the benchmark takes a while."""
        self.rows.append(cells)
        print(("| " + " | ".join(cells) + " |") if self.arguments.markdown else "  ".join(cells), flush=True)

    def job_import(self, work):
        """The dump to obj and edge tables."""
        dump = generate(self.arguments.objects)
        env = {**os.environ, "POLARS_MAX_THREADS": "2"}
        self.compare("import", {
            "heaplake": self.importing(work / "lake", dump),
            "DuckDB": self.peer("convert_duckdb", dump, work / "duckdb"),
            "Polars": self.peer("convert_polars", dump, work / "polars"),
        }, env=env)
        self.check(work)

    def job_index(self, work):
        """The graph index on top of the import."""
        dump = generate(self.arguments.objects)
        self.compare("import and index", {
            "heaplake, tables only": self.importing(work / "lake", dump),
            "heaplake, everything": self.importing_all(work / "lake", dump),
            "DuckDB, tables only": self.peer("convert_duckdb", dump, work / "duckdb"),
        })

    def job_quick(self, work):
        """What a change may slow down, with DuckDB beside it."""
        dump = generate(self.arguments.objects)
        duckdb = self.peer("convert_duckdb", dump, work / "duckdb")
        self.compare("import, tables only", {"heaplake": self.importing(work / "lake", dump), "DuckDB": duckdb})
        self.check(work)
        ours, theirs = (size_mb(work / folder) for folder in ("lake", "duckdb"))
        self.ratios["bytes on disk"] = theirs / ours
        self.row("bytes on disk", "heaplake", f"{ours:.1f} MB", "", "", "", "1.00")
        self.row("bytes on disk", "DuckDB", f"{theirs:.1f} MB", "", "", "", f"{theirs / ours:.2f}")
        self.compare("import, everything, against tables only",
                     {"heaplake": self.importing_all(work / "lake", dump), "DuckDB": duckdb})
        packed = work / "dump.gz"
        with open(dump, "rb") as file, gzip.open(packed, "wb", compresslevel=6) as out:
            shutil.copyfileobj(file, out, 1 << 20)
        self.compare("import of gzip, tables only", {
            "heaplake": self.importing(work / "packed", packed),
            "DuckDB": self.peer("convert_duckdb", packed, work / "duckdb-packed"),
        })
        shutil.rmtree(work / "lake")
        self.job_histogram(work)
        shutil.rmtree(work / "lake")
        self.job_diff(work)

    def job_retained(self, work):
        """One object's retained size, process start included."""
        lake = work / "lake"
        run(self.importing_all(lake, generate(self.arguments.objects)))
        ask = [self.heaplake, "--lake", lake, "sql", "--format", "csv"]
        [address] = subprocess.check_output([*map(str, ask), "select address from top_dominators(1)"]).split()[1:]
        self.compare("retained of one object", {
            "heaplake": [*ask, f"select * from retained({int(address)})"],
        }, runs=4 * self.arguments.runs)

    def job_dominators(self, work):
        """Dominators of a tenth: each tool's call alone, and our whole command that builds and writes the index."""
        lake = work / "lake"
        run(self.importing_all(lake, generate(self.arguments.objects // 10)))
        question = "select sum(cast(idom as decimal(38))) from obj"
        ours = subprocess.check_output([self.heaplake, "--lake", lake, "sql", "--format", "csv", question]).split()[1]
        building = [run([self.heaplake, "--quiet", "--lake", lake, "index", "bench"]).wall
                    for _ in range(self.arguments.runs)]
        alone = [subprocess.check_output([TARGET / "heaplake-bench", lake, "bench"]).split()
                 for _ in range(self.arguments.runs)]
        if alone[0][1] != ours:
            sys.exit("the tables and the graph disagree about the dominators")
        first = statistics.median(float(seconds) for seconds, _ in alone)
        self.row("dominators of a tenth", "heaplake, dominators alone", f"{first:.3f}", "", "", "", "1.00")
        whole = statistics.median(building)
        self.row("dominators of a tenth", "heaplake index, whole process", f"{whole:.2f}", "", "", "",
                 f"{whole / first:.2f}")
        for tool in ("igraph", "rustworkx"):
            timed = [subprocess.check_output(list(map(str, self.peer("dominators", lake, tool)))).split()
                     for _ in range(self.arguments.runs)]
            if timed[0][2] != ours:
                sys.exit(f"{tool} and heaplake disagree about the dominators")
            build, dominators = (statistics.median(float(one[i]) for one in timed) for i in (0, 1))
            self.row("dominators of a tenth", f"{tool}, build", f"{build:.2f}", "", "", "", f"{build / first:.2f}")
            self.row("dominators of a tenth", f"{tool}, dominators alone", f"{dominators:.2f}", "", "", "",
                     f"{dominators / first:.2f}")

    def job_paths(self, work):
        """Path questions: our whole process each time, beside what the peers need to load and then for the same."""
        chain = "root ..> (LmsModuleSystem -> dict? -> CombinedSystem ->)+ LmsModuleSystem"
        questions = {
            "nearest CombinedSystem": "root ..> CombinedSystem",
            "a chain, and how a root reaches it": chain,
            "the chain of 3,075 hops": chain.replace(")+", "){1024,}"),
            "what the root above the chain reaches": "REACH (m: module) -> dict -> LmsModuleSystem ..> *",
            "types that cannot follow each other": "str -> CombinedSystem",
        }
        for name, objects in [("a tenth", self.arguments.objects // 10), ("all", self.arguments.objects)]:
            lake = work / f"lake-{objects}"
            run(self.importing_all(lake, generate(objects)))
            ask = [self.heaplake, "--quiet", "--lake", lake]
            # Nearly every root of this heap reaches most of it, if it reaches anything.
            root = "select parent from edge join root on address = parent where kind = 'strong' order by idx desc, parent limit 1"
            [address] = subprocess.check_output([*map(str, ask), "sql", "--format", "csv", root]).split()[1:]
            for question, pattern in questions.items():
                self.compare(f"paths in {name}: {question}", {"heaplake": [*ask, "path", "--format", "csv", pattern]})
            closure = f"select count(*) from path('REACH @{int(address)} ..> *')"
            self.compare(f"paths in {name}: REACH of a root's whole closure", {"heaplake": [*ask, "sql", closure]})
        self.path_peers(work / f"lake-{self.arguments.objects // 10}")

    def job_history(self, work):
        """Comparison by summaries, process start included: two dumps of that size, and a thousand of 2,000 types."""
        lake = work / "lake"
        for name, objects in [("before", self.arguments.objects // 10 * 9), ("after", self.arguments.objects)]:
            run([self.heaplake, "--quiet", "--lake", lake, "import", "--dump", name, generate(objects)])
        ask = [self.heaplake, "--lake", lake, "diff", "before", "after", "--format", "csv", "--by"]
        for by in ("type", "holder", "module"):
            self.compare(f"diff --by {by}", {"heaplake": [*ask, by]}, runs=4 * self.arguments.runs)
        series = work / "series"
        folder = work / "thousand"
        folder.mkdir()
        chance = random.Random(1)
        grows = {number for number in range(2000) if chance.random() < 0.02}
        for moment in range(1000):
            self.write_moment(folder / f"d{moment:04}.json", moment, grows)
        run([self.heaplake, "--quiet", "--lake", series, "import", "--no-index", *sorted(folder.iterdir())])
        ask = [self.heaplake, "--lake", series]
        for title, words in {
            "select 1": ["sql", "select 1"],
            "diff of two": ["diff", "d0500", "d0501", "--format", "csv"],
            "dumps": ["dumps", "--format", "csv"],
        }.items():
            self.compare(f"a lake of 1,000 dumps: {title}", {"heaplake": [*ask, *words]}, runs=4 * self.arguments.runs)
        self.compare("trend --by type, 1,000 dumps of 2,000 types", {
            "heaplake": [*ask, "trend", "--all", "--format", "csv"],
            "heaplake, to a terminal's table": [*ask, "trend", "--format", "table"],
        }, runs=2 * self.arguments.runs)
        self.compare("type_stat of 1,000 dumps in SQL", {
            "heaplake": [*ask, "sql", "--format", "csv",
                         "select type, max(count) - min(count) as grew from history.type_stat group by type order by 2 desc limit 20"],
        }, runs=2 * self.arguments.runs)

    @staticmethod
    def write_moment(path, moment, grows):
        """A dump of 2,000 types; one in fifty has one object more every hundred dumps."""
        with open(path, "w", encoding="utf-8") as out:
            address = 1000
            for number in range(2000):
                for _ in range(1 + (moment // 100 if number in grows else 0)):
                    address += 16
                    out.write(f'{{"address": {address}, "type": "app.module{number % 50}.Class{number}", '
                              f'"size": {16 + number % 64}, "refs": []}}\n')

    def path_peers(self, lake):
        """The peers' seconds, step by step; the warm query of the tool alone, after its loading."""
        steps = ["loading", "nearest CombinedSystem", "way to the end of the chain", "reached from above the chain"]
        answers = set()
        for tool in ("igraph", "duckdb", "ladybug"):
            timed = [subprocess.check_output(list(map(str, self.peer("paths", lake, tool)))).decode().split()
                     for _ in range(self.arguments.runs)]
            n_steps = (len(timed[0]) + 1) // 2
            for i, step in enumerate(steps[:n_steps]):
                seconds = statistics.median(float(one[i]) for one in timed)
                self.row("paths in a tenth", f"{tool}: {step}", f"{seconds:.3f}", "", "", "", "")
            if n_steps == len(steps):
                answers.add(timed[0][-1])
        if len(answers) != 1:
            sys.exit(f"the peers disagree about what is reached: {answers}")

    def check(self, work):
        """Both must have made the same tables."""
        question = ("SELECT (SELECT (count(*), sum(address), sum(size), count(value)) FROM '{0}'),"
                    " (SELECT (count(*), sum(parent), sum(child)) FROM '{1}')")
        answers = []
        for obj, edge in [("lake/obj/*/*.parquet", "lake/edge/*/*.parquet"), ("duckdb/obj.parquet", "duckdb/edge.parquet")]:
            text = question.format(work / obj, work / edge)
            answers.append(subprocess.check_output([self.python, "-c", f"import duckdb; print(duckdb.sql({text!r}).fetchall())"]))
        if answers[0] != answers[1]:
            sys.exit(f"heaplake and DuckDB disagree: {answers}")

    def job_memsee(self, work):
        """memsee's import, on a tenth of the dump."""
        dump = generate(self.arguments.objects // 10)
        self.compare("import of a tenth", {
            "heaplake": self.importing(work / "lake", dump),
            "memsee": self.peer("import_memsee", dump, work / "memsee.sqlite"),
        }, runs=1)

    def job_limit(self, work):
        """The import with little memory."""
        dump = generate(self.arguments.objects)
        self.compare("import, --memory-limit", {
            "none": self.importing(work / "lake", dump),
            "512MB": self.importing(work / "lake", dump, "--memory-limit", "512MB"),
        })

    def job_size(self, work):
        """Bytes on disk."""
        dump = generate(self.arguments.objects)
        run(self.importing(work / "lake", dump))
        run(self.peer("convert_duckdb", dump, work / "duckdb"))
        packed = work / "dump.gz"
        with open(dump, "rb") as file, gzip.open(packed, "wb", compresslevel=6) as out:
            shutil.copyfileobj(file, out, 1 << 20)
        for name, path in [("heaplake", work / "lake"), ("DuckDB", work / "duckdb"), ("gzip -6 of the dump", packed),
                           ("the dump", dump)]:
            self.row("size on disk", name, f"{size_mb(path):.0f} MB", "", "", "", "")

    def job_histogram(self, work):
        """Counts and bytes by type, process start included."""
        lake = work / "lake"
        run(self.importing(lake, generate(self.arguments.objects)))
        ours = [self.heaplake, "--lake", lake, "sql", "--format", "csv", HISTOGRAM]
        theirs = self.peer("histogram_duckdb", lake, "bench")
        answers = [subprocess.check_output(list(map(str, command))).decode().splitlines() for command in (ours, theirs)]
        if answers[0][1:] != answers[1]:
            sys.exit("heaplake and DuckDB disagree about the histogram")
        self.compare("histogram", {"heaplake": ours, "DuckDB": theirs}, runs=2 * self.arguments.runs)

    def job_diff(self, work):
        """Two moments of one process, object by object; DuckDB joins the same Parquet files."""
        lake = work / "lake"
        for moment, dump in enumerate(("before", "after")):
            run([self.heaplake, "--quiet", "--lake", lake, "import", "--dump", dump,
                 generate(self.arguments.objects, moment)])
        ask = [self.heaplake, "--quiet", "--lake", lake]
        totals = ("select type, sum(case when status = 'new' then 1 else 0 end) as new,"
                  " sum(case when status = 'gone' then 1 else 0 end) as gone,"
                  " sum(size_after) as size_after, sum(size_before) as size_before"
                  " from diff_objects('before', 'after'{}) group by type order by type")
        by_address = [*ask, "sql", "--format", "csv", totals.format(", 'address'")]
        theirs = self.peer("diff_duckdb", lake, "before", "after")
        answers = [subprocess.check_output(list(map(str, command))).decode().splitlines() for command in (by_address, theirs)]
        # What DuckDB takes for one object because of its address may be two here, never the other way round.
        ours = {row[0]: row[1:] for row in (line.split(",") for line in answers[0][1:])}
        joined = {row[0]: row[1:] for row in (line.split(",") for line in answers[1])}
        for name, (new, gone, _, after, before) in joined.items():
            more = int(ours[name][0]) - int(new)
            if more < 0 or more != int(ours[name][1]) - int(gone) or ours[name][2:] != [after.replace("None", ""), before.replace("None", "")]:
                sys.exit(f"heaplake and DuckDB disagree about {name}")
        self.compare("diff by object", {
            "heaplake, diff_objects by type": by_address,
            "DuckDB, full outer join": theirs,
            "heaplake, diff --by object": [*ask, "diff", "before", "after", "--by", "object", "--format", "table"],
            "heaplake, by path": [*ask, "sql", "--format", "csv", totals.format(", 'path'")],
        })

    def job_stores(self, work):
        """The same in a folder and in an object store."""
        # Here, because it needs what is above.
        import stores
        stores.measure(self, work)


def compare_ratios(ratios):
    """Prints the ratios beside those of the last version that was kept; whether none is much worse."""
    kept = json.loads(RATIOS.read_text()) if RATIOS.exists() else {}
    version, before = next(reversed(kept.items()), ("", {}))
    worse = []
    print()
    for job, ratio in ratios.items():
        known = before.get(job)
        print(f"{job}: {ratio:.2f} times DuckDB's" + (f", {version} {known:.2f}" if known else ""))
        if known and ratio < known * (1 - TOLERANCE):
            worse.append(job)
    for job in before.keys() - ratios.keys():
        worse.append(f"{job} (not measured)")
    for job in worse:
        print(f"WORSE than {version}: {job}")
    return not worse


def keep_ratios(version, ratios):
    """Keeps the ratios of a version, and writes the page of all versions."""
    kept = json.loads(RATIOS.read_text()) if RATIOS.exists() else {}
    kept.pop(version, None)
    kept[version] = {job: round(ratio, 2) for job, ratio in ratios.items()}
    RATIOS.write_text(json.dumps(kept, indent=2) + "\n")
    jobs = list(dict.fromkeys(job for of_version in kept.values() for job in of_version))
    lines = ["# Ratios by version", "",
             f"DuckDB's time (or bytes) divided by heaplake's for the same work on a dump of {QUICK_OBJECTS:,} objects, medians of one",
             "run: more than 1 means that heaplake is faster, or smaller. `python3 bench/run.py --quick` measures them again and",
             f"fails where one is worse by more than {TOLERANCE:.0%}; `--keep VERSION` writes this page.", "",
             "| version | " + " | ".join(jobs) + " |", "|---" * (len(jobs) + 1) + "|"]
    for of, values in kept.items():
        lines.append(f"| {of} | " + " | ".join(f"{values[job]:.2f}" if job in values else "" for job in jobs) + " |")
    PAGE.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", metavar="VERSION")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(JOBS), help=f"of {','.join(JOBS)}; all by default")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--heaplake", default=TARGET / "heaplake")
    arguments = parser.parse_args()
    if arguments.keep and not arguments.quick:
        parser.error("--keep keeps the ratios of --quick")
    arguments.objects = arguments.objects or (QUICK_OBJECTS if arguments.quick else 10_000_000)
    bench = Bench(arguments)
    jobs = ["quick"] if arguments.quick else arguments.only.split(",")
    if unknown := set(jobs) - {*JOBS, "quick"}:
        sys.exit(f"no such job: {', '.join(unknown)}")
    bench.row("job", "who", "median s", "min-max s", "CPU s", "peak MB", "time / heaplake's")
    if bench.arguments.markdown:
        print("|---|---|---|---|---|---|---|")
    for job in jobs:
        with tempfile.TemporaryDirectory(dir=HERE, prefix="work-") as work:
            getattr(bench, f"job_{job}")(pathlib.Path(work))
    if arguments.keep:
        keep_ratios(arguments.keep, bench.ratios)
    elif arguments.quick and not compare_ratios(bench.ratios):
        sys.exit(1)


if __name__ == "__main__":
    main()
