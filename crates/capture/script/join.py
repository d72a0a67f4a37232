"""Joins the parts of the capture script as the build does: python3 join.py > heaplake_dump.py"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def names():
    """The files of the parts, in order: each uses only names of those before it."""
    return (FOLDER / "order.txt").read_text().split()


def joined(only=None):
    """The script; with `only` (file names), these parts alone."""
    return "\n\n".join((FOLDER / name).read_text() for name in names() if only is None or name in only)


def write(folder):
    """Writes heaplake_dump.py into a folder."""
    path = Path(folder) / "heaplake_dump.py"
    path.write_text(joined())
    return path


if __name__ == "__main__":
    sys.stdout.write(joined())
