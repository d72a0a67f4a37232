"""Decides by lot which programs are held out: half of each idiom's, and half of the controls.

usage: python3 split.py [--seed N]

Programs that say `held` already keep what they say, so that a new case moves no old one from one half to the other.
"""

import ast
import pathlib
import random
import re
import sys

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"


def declared(path):
    """TRUTH of a program, without running it."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "TRUTH":
            truth = ast.literal_eval(statement.value)
            for field in ("idiom", "type"):
                value = truth.get(field, [])
                truth[field] = [value] if isinstance(value, str) else value
            return truth
    raise SystemExit(f"{path} has no TRUTH")


def stratum(truth):
    """Programs of one idiom are shared out among themselves."""
    return truth["idiom"][0] if truth["leaks"] else "control"


def main():
    seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 20151122
    strata = {}
    for path in sorted(PROGRAMS.glob("*.py")):
        truth = declared(path)
        if "held" not in truth:
            strata.setdefault(stratum(truth), []).append(path)
    rng = random.Random(seed)
    # Strata of an odd number give their odd one to the halves in turn.
    odd = rng.random() < 0.5
    for name in sorted(strata):
        paths = strata[name]
        rng.shuffle(paths)
        n_held = len(paths) // 2 + (len(paths) % 2 and odd)
        odd = not odd if len(paths) % 2 else odd
        for at, path in enumerate(paths):
            mark(path, at < n_held)


def mark(path, is_held):
    text, n = re.subn(r'^TRUTH = \{"leaks": (True|False)', rf'TRUTH = {{"held": {is_held}, "leaks": \1', path.read_text(), flags=re.M)
    assert n == 1, path
    path.write_text(text)


if __name__ == "__main__":
    main()
