"""What objgraph, tracemalloc and pympler say of the programs of datasets/leaks; part of bench/suspects.py --peers."""

import concurrent.futures
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = ["objgraph==3.6.2", "Pympler==1.1"]
TOOLS = {
    "objgraph": "objgraph 3.6, growth",
    "tracemalloc": "tracemalloc, difference by line",
    "pympler": "pympler 1.1, difference of summaries",
}


def python(folder):
    """An interpreter that has the tools, made on the first call."""
    place = folder / "venv"
    if not (place / "bin" / "python").exists():
        venv.create(place, with_pip=True)
        subprocess.check_call(
            [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
        )
    return place / "bin" / "python"


def ask(interpreter, tool, program, dressing):
    """What a tool names first; None if the program cannot run with it."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ} | {"PYTHONHASHSEED": "0"}
    command = [interpreter, "-B", "-W", "ignore::DeprecationWarning", HERE / "peers" / "leak_tools.py", tool, program, dressing]
    done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout) if done.returncode == 0 else None


def report(folder, programs, dressings, n_jobs):
    """A table: does the tool name the right type, or a line of the program, first or among the first three?

    `programs` are paths with their truths. None of the tools names a holder.
    """
    interpreter = python(folder)
    leaks = [(path, truth, dressing) for path, truth in programs if truth["leaks"] and "needs" not in truth for dressing in dressings]
    yield f"Peers, CPython {'.'.join(map(str, sys.version_info[:2]))}, first and last of five moments, {len(leaks)} runs that leak:"
    yield ""
    yield "| tool | runs | type first | type in three | line first | line in three | holder |"
    yield "|---|---|---|---|---|---|---|"
    with concurrent.futures.ThreadPoolExecutor(n_jobs) as pool:
        for tool, title in TOOLS.items():
            asked = pool.map(lambda one, tool=tool: ask(interpreter, tool, one[0], one[2]), leaks)
            said = [(path, truth, answer) for (path, truth, _), answer in zip(leaks, asked) if answer is not None]
            types = [[name in truth["type"] for name in answer["types"]] for _, truth, answer in said]
            lines = [[Path(name).name == path.name for name in answer["lines"]] for path, _, answer in said]
            by_type = ["-"] * 2 if tool == "tracemalloc" else [share(types, 1), share(types, 3)]
            by_line = [share(lines, 1), share(lines, 3)] if tool == "tracemalloc" else ["-"] * 2
            yield f"| {title} | {len(said)} | {' | '.join([*by_type, *by_line])} | - |"
    yield ""


def share(found, n):
    return f"{100 * sum(any(flags[:n]) for flags in found) / max(1, len(found)):.1f} %"
