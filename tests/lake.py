"""Runs the command heaplake on a lake of its own, and looks at the lake's files from outside."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("HEAPLAKE_BIN", REPOSITORY / "target/release/heaplake"))

TABLES = ["obj", "edge", "root", "issue", "type_stat", "holder_stat", "module_stat"]

#: A hang guard, not a speed claim.
TIMEOUT = 120


#: Runs a command and tells its exit code and its peak. In a small process of its own, because a child begins with the
#: peak of its parent, and pytest is large.
MEASURE = """
import os, sys
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print("measured", os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)
"""


def environment():
    """The environment of every test: nothing of the user's gets in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"NO_COLOR": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "xterm"}


class Lake:
    """A lake folder and the commands on it."""

    def __init__(self, path, variables=None):
        self.path = Path(path)
        #: Variables of the environment that its commands have, besides those of every test.
        self.variables = variables or {}

    def command(self, *args):
        return [str(BINARY), "--lake", str(self.path), *map(str, args)]

    def start(self, *args, **options):
        """Starts a command; its output is caught unless the options say otherwise."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(self.command(*args), env=environment() | self.variables, **options)

    def run(self, *args, input=None, **options):
        """Runs a command to its end; the result has returncode, stdout and stderr (bytes)."""
        source = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            self.command(*args),
            env=environment() | self.variables,
            capture_output=True,
            timeout=TIMEOUT,
            **source,
            **options,
        )

    def ok(self, *args, **options):
        """Runs a command that must succeed; its standard output as text."""
        result = self.run(*args, **options)
        assert result.returncode == 0, f"{args}: exit {result.returncode}\n{result.stderr.decode(errors='replace')}"
        return result.stdout.decode()

    def fails(self, *args, code=2, **options):
        """Runs a command that must fail in the decent way; its message."""
        result = self.run(*args, **options)
        message = result.stderr.decode()
        assert result.returncode == code, f"{args}: exit {result.returncode}, not {code}\n{message}"
        assert message.startswith("error: ") or "\nerror: " in message, message
        assert "panicked" not in message
        return message

    def peak(self, *args):
        """Runs a command that must succeed; the largest number of bytes that it had in memory."""
        command = [sys.executable, "-I", "-S", "-c", MEASURE, *self.command(*args)]
        result = subprocess.run(
            command,
            env=environment() | self.variables,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT,
        )
        code, peak = result.stdout.split(b"measured ")[-1].split()
        assert int(code) == 0, result.stderr.decode()
        return int(peak)

    def load(self, path, dump=None, *args):
        """Imports a file; quiet."""
        name = ["--dump", dump] if dump else []
        self.ok("--quiet", "import", *name, *args, path)

    def sql(self, query, *args):
        """The rows of a query as tuples; numbers and null as JSON gives them."""
        lines = self.ok("sql", "--format", "ndjson", *args, query).split("\n")
        return [tuple(json.loads(line).values()) for line in lines[:-1]]

    def csv(self, query, *args):
        return list(csv.reader(io.StringIO(self.ok("sql", "--format", "csv", *args, query))))

    def dumps(self):
        """The ids of the dumps, in order."""
        return [dump["id"] for dump in json.loads(self.ok("dumps", "--format", "json"))]

    def manifest(self, dump):
        return json.loads((self.path / "dumps" / f"{dump}.json").read_text())

    def glob(self, table):
        """What a foreign reader is told to read."""
        return str(self.path / table / "*" / "*.parquet")

    def parquet_files(self):
        """Every Parquet file of every table, from the lake's folder."""
        return {
            str(file.relative_to(self.path))
            for table in TABLES
            for file in self.path.glob(f"{table}/**/*")
            if file.is_file()
        }

    def named_files(self):
        """Every Parquet file that a manifest names."""
        manifests = [json.loads(path.read_text()) for path in self.path.glob("dumps/*.json")]
        return {file["path"] for manifest in manifests for file in manifest["files"]}

    def content(self):
        """What the lake holds, byte for byte: manifests and the files they name."""
        files = {f"dumps/{path.name}" for path in self.path.glob("dumps/*")} | self.named_files()
        return {name: (self.path / name).read_bytes() for name in files}

    def junk(self):
        """Files that belong to no dump: strays among the tables, and work in progress."""
        work = {f"tmp/{path.name}" for path in self.path.glob("tmp/*") if path.name != "lock"}
        return work | (self.parquet_files() - self.named_files())

    def assert_sound(self):
        """verify finds nothing, and nothing is left over."""
        self.ok("verify")
        assert self.junk() == set()
