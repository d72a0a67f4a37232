"""How often `heaplake suspects` is right: runs the programs of datasets/leaks under every CPython and compares verdict and truth.

usage: python3 bench/suspects.py [--heaplake BIN] [--only NAME,...] [--python 3.8,...] [--dressing plain,service] [--held | --all]
                                 [--form capture,meliae] [--moments 1,2,3,5] [--jobs 2] [--keep DIR] [--verdicts] [--dumps-only] [--peers]

Prints, by number of dumps, by version, by form, by dressing, and for open and held programs apart: in how many runs the holder is the
first suspect, among the first three, its bytes within 10 %, its idiom right; in how many programs without a leak no suspect has
a confidence of 0.5 or more; then the misses by name, and of the suspects said with a confidence how many are leaks. By
default only open programs are run: what is tuned must not have seen the others. --peers asks other tools about the same programs.

With n dumps these are the last n of the five moments of a run. --keep keeps dumps and lakes, and what is there already and was made
of the same programs is not made again; --verdicts asks all again, which is what one does after a change of the engine.
datasets/leaks/README.md says what counts as right.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LEAKS = REPOSITORY / "datasets" / "leaks"
SCRIPT = REPOSITORY / "crates" / "capture" / "script"
sys.path[:0] = [str(LEAKS), str(SCRIPT)]
import join
import leak_peers
import score as scoring
import split

VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
DUMPS = [1, 2, 3, 5]
MOMENTS = 5
TIMEOUT = 300  # seconds; a hang guard


def pythons():
    """The newest interpreter of each version that the machine has."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {}
    for version in VERSIONS:
        of_pyenv = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
        python = str(of_pyenv[-1]) if of_pyenv else shutil.which(f"python{version}")
        if python:
            found[version] = python
    return found


def programs(only=None, held=None):
    """Path and declared truth of the programs; `held` None: all."""
    for path in sorted((LEAKS / "programs").glob("*.py")):
        truth = split.declared(path)
        if (only is None or path.stem in only) and (held is None or truth["held"] == held):
            yield path, truth


@dataclasses.dataclass(frozen=True)
class Case:
    """One run: a program in a dressing under a version."""

    program: Path
    dressing: str
    version: str

    def __str__(self):
        return f"{self.program.stem} ({self.dressing}, {self.version})"


class Failed(Exception):
    """A program or a command ended with an error."""


class Bench:
    """Runs cases and asks for verdicts, in a folder."""

    def __init__(self, folder, binary, forms, counts, is_asked_again):
        self.folder = folder
        self.binary = binary
        self.forms = forms
        self.counts = counts
        self.is_asked_again = is_asked_again
        self.pythons = pythons()
        self.script = folder / "script"
        self.script.mkdir(parents=True, exist_ok=True)
        join.write(self.script)

    def place(self, case):
        return self.folder / case.version / case.dressing / case.program.stem

    def try_result(self, case):
        """`result`, or what went wrong."""
        try:
            return self.result(case)
        except (Failed, subprocess.TimeoutExpired) as error:
            return error

    def result(self, case):
        """Truth and the score of each form and number of dumps; None if the program cannot run there."""
        place = self.place(case)
        made_of = stamp(case.program)
        mark = place / "made-of"
        if not mark.exists() or mark.read_text() != made_of:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            if not self.run(case, place):
                return None
            for form in self.forms:
                self.load(place, form)
            mark.write_text(made_of)
        truth = json.loads((place / "truth.json").read_text()) | split.declared(case.program)
        scores = {}
        for form in self.forms:
            if not (place / f"lake-{form}").exists():
                self.load(place, form)
            for count in self.counts:
                rows = self.verdict(place, form, count)
                scores[form, count] = scoring.score(rows, truth), rows
        return truth, scores

    def run(self, case, place, *options):
        """Runs the program, with options of the driver; False if this Python lacks what it needs."""
        python = self.pythons[case.version]
        env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        env |= {"PYTHONPATH": str(self.script), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        command = [python, "-B", "-W", "ignore::DeprecationWarning"]
        needs = split.declared(case.program).get("needs", [])
        for module in needs:
            if subprocess.run([*command, "-c", f"import {module}"], env=env, capture_output=True).returncode:
                return False
        if not needs:
            command.append("-S")
        command += [LEAKS / "driver.py", case.program, place, "--dressing", case.dressing, *options]
        done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, timeout=TIMEOUT)
        if done.returncode or done.stderr:
            raise Failed(f"{case}: exit {done.returncode}\n{done.stderr}")
        return True

    def heaplake(self, place, form, *args):
        command = [str(self.binary), "--quiet", "--lake", str(place / f"lake-{form}"), *map(str, args)]
        env = os.environ | {"NO_COLOR": "1", "TZ": "UTC"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT)
        if done.returncode:
            raise Failed(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr}")
        return done.stdout

    def load(self, place, form):
        """Imports the dumps of a run as d1 to d5."""
        truth = json.loads((place / "truth.json").read_text())
        for number, moment in enumerate(truth["moments"], 1):
            taken = []
            if form == "meliae":
                time = datetime.datetime.fromtimestamp(moment["time"], datetime.timezone.utc)
                taken = ["--taken", time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")]
            self.heaplake(place, form, "import", "--dump", f"d{number}", *taken, place / moment[form])

    def verdict(self, place, form, count):
        """The suspects over the last `count` moments."""
        kept = place / f"verdict-{form}-{count}.json"
        if self.is_asked_again or not kept.exists():
            dumps = [f"d{number}" for number in range(MOMENTS - count + 1, MOMENTS + 1)]
            kept.write_text(self.heaplake(place, form, "suspects", "--format", "json", *dumps))
        return json.loads(kept.read_text())


def stamp(program):
    """A hash of all that a run is made of; what a program declares of itself is read when it is scored."""
    files = [LEAKS / "driver.py", LEAKS / "service.py", *sorted(SCRIPT.glob("*.py"))]
    code = re.sub(r"^TRUTH = \{.*?\}$", "", program.read_text(), flags=re.M | re.S)
    return hashlib.sha256(code.encode() + b"".join(file.read_bytes() for file in files)).hexdigest()


# What is printed ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Entry:
    """One verdict with its circumstances."""

    case: Case
    is_held: bool
    form: str
    count: int
    score: scoring.Score
    rows: list


def share(flags):
    flags = list(flags)
    return f"{100 * sum(flags) / len(flags):5.1f} %" if flags else "      -"


def rates(title, groups):
    """A table with a row for each group of entries."""
    yield f"| {title} | leaks | first | in three | bytes | idiom | controls | silent |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, entries in groups.items():
        leaks = [entry.score for entry in entries if entry.score.leaks]
        controls = [entry.score for entry in entries if not entry.score.leaks]
        first = [one for one in leaks if one.is_first]
        yield (
            f"| {name} | {len(leaks)} | {share(one.is_first for one in leaks)} | {share(one.is_in_three for one in leaks)} "
            f"| {share(one.is_bytes_right for one in first)} | {share(one.is_idiom_right for one in first)} "
            f"| {len(controls)} | {share(one.is_silent for one in controls)} |"
        )
    yield ""


def grouped(entries, key):
    groups = {}
    for entry in sorted(entries, key=key):
        groups.setdefault(key(entry), []).append(entry)
    return groups


def calibration(entries):
    """Of the suspects said with a confidence, how many are leaks."""
    yield "| confidence | suspects | of them leaks |"
    yield "|---|---|---|"
    said = [one for entry in entries for one in entry.score.confidences]
    for low in range(9, -1, -1):
        found = [is_right for confidence, is_right in said if min(9, int(confidence * 10 + 1e-9)) == low]
        if found:
            yield f"| {low / 10:.1f} to {(low + 1) / 10:.1f} | {len(found)} | {share(found)} |"
    yield ""


def misses(entries):
    """Runs in which the holder is not first, or a control is not silent, with what was said."""
    for entry in entries:
        one = entry.score
        if one.leaks and not one.is_first:
            where = "not found" if one.position is None else f"position {one.position + 1}"
            first = entry.rows[0] if entry.rows else None
        elif not one.leaks and not one.is_silent:
            where, first = "not silent", max(entry.rows, key=lambda row: row["confidence"])
        else:
            continue
        said = "nothing" if first is None else (
            f"{first['idiom']} {first['confidence']:.2f} {first.get('held_by') or first.get('holder_path')} of {first['type']}"
        )
        yield f"  {entry.case}, {entry.form}, {entry.count} dumps: {where}; said: {said}"


def report(entries):
    yield f"{len({entry.case for entry in entries})} runs of {len({entry.case.program for entry in entries})} programs"
    yield ""
    for is_held, part in grouped(entries, lambda entry: entry.is_held).items():
        yield f"{'Held out' if is_held else 'Open'}:"
        yield ""
        yield from rates("dumps", grouped(part, lambda entry: entry.count))
        yield from rates("form", grouped(part, lambda entry: f"{entry.form}, {entry.count}"))
        yield from rates("version", grouped(part, lambda entry: f"{entry.case.version:>4}, {entry.count}"))
        yield from rates("dressing", grouped(part, lambda entry: f"{entry.case.dressing}, {entry.count}"))
        yield from calibration(part)
        found = list(misses(part))
        yield f"Misses: {len(found)}"
        yield from found
        yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heaplake", type=Path, default=os.environ.get("HEAPLAKE_BIN", REPOSITORY / "target/release/heaplake"))
    parser.add_argument("--only", help="names of programs")
    parser.add_argument("--python", help="versions, such as 3.8,3.13; by default all that are found")
    parser.add_argument("--dressing", default="plain,service")
    parser.add_argument("--form", default="capture,meliae")
    parser.add_argument("--moments", default="1,2,3,5", help="numbers of dumps")
    parser.add_argument("--held", action="store_true", help="the programs that are held out, in place of the open ones")
    parser.add_argument("--all", action="store_true", help="open and held programs")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep dumps, lakes and verdicts in this folder, and use what is there")
    parser.add_argument("--verdicts", action="store_true", help="with --keep: ask for all verdicts again")
    parser.add_argument("--dumps-only", action="store_true", help="run the programs and import their dumps; no verdicts")
    parser.add_argument("--peers", action="store_true", help="ask objgraph, tracemalloc and pympler in place of heaplake")
    options = parser.parse_args()
    only = set(options.only.split(",")) if options.only else None
    chosen = list(programs(only, None if options.all or only else options.held))
    if only and len(chosen) < len(only):
        parser.error(f"no such program: {', '.join(sorted(only - {path.stem for path, _ in chosen}))}")
    with tempfile.TemporaryDirectory(prefix="heaplake-leaks-") as folder:
        if options.peers:
            place = options.keep or Path(folder)
            for line in leak_peers.report(place.resolve(), chosen, options.dressing.split(","), options.jobs):
                print(line, flush=True)
            return
        counts = [] if options.dumps_only else [int(count) for count in options.moments.split(",")]
        bench = Bench((options.keep or Path(folder)).resolve(), options.heaplake, options.form.split(","), counts, options.verdicts)
        versions = options.python.split(",") if options.python else list(bench.pythons)
        missing = [version for version in versions if version not in bench.pythons]
        if missing:
            parser.error(f"there is no CPython {', '.join(missing)}")
        held = {path: truth["held"] for path, truth in chosen}
        cases = [
            Case(path, dressing, version)
            for version in versions
            for path in held
            for dressing in options.dressing.split(",")
        ]
        entries, failed = [], []
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for case, result in zip(cases, pool.map(bench.try_result, cases)):
                if result is None:
                    print(f"{case} cannot run here", file=sys.stderr)
                    continue
                if isinstance(result, Exception):
                    print(result, file=sys.stderr)
                    failed.append(case)
                    continue
                for (form, count), (found, rows) in result[1].items():
                    entries.append(Entry(case, held[case.program], form, count, found, rows))
        for line in report(entries) if counts else ():
            print(line)
    if failed:
        sys.exit(f"{len(failed)} runs failed")


if __name__ == "__main__":
    main()
