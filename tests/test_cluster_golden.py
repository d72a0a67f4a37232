"""The golden scripts, whose questions are asked on one machine and on a cluster."""

import re
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from cluster import needs_cluster, workers
from lake import BINARY, REPOSITORY, TIMEOUT, Lake, environment

pytestmark = needs_cluster()

GOLDEN = REPOSITORY / "tests" / "golden"
FIXTURE = BINARY.with_name("heap-fixture")

#: Even the smallest tables are divided among workers.
SHARE = {"HEAPLAKE_CLUSTER_SHARE": "1"}

#: Says whether workers do something for a statement over objects.
PLAN = "sql --format csv 'explain select type, count(*) from obj group by type'"

#: Scripts that ask lakes of one object, or of none.
UNDIVIDED = {"dumps-and-info", "help", "rm-and-verify", "sql-errors", "sql-read-only"}

#: Commands that only ask, alone or before a pipe. What writes files or layers runs once.
QUESTION = re.compile(r"heaplake (-\S+ |--lake \S+ )*(sql|run|path|check|diff|trend|top|tree|chains|suspects) ")
WRITES = re.compile(r" (-o|--out|--save|--junit|--allow-files|--ignore)\b|>")


@dataclass
class Step:
    """A file that a script writes, or a command that it runs."""

    info: list
    text: str


def steps(script):
    """The blocks of a script that mean something, and the commands of each console."""
    found = []
    for info, body in re.findall(r"^```(\S.*)\n((?:(?!```).*\n)*)^```$", script, re.MULTILINE):
        if info != "console":
            found.append(Step(info.split(), body))
            continue
        for command in re.findall(r"^\$ (.*(?:\n> .*)*)", body, re.MULTILINE):
            found.append(Step([info], command.replace("\n> ", "\n")))
    return found


SCRIPTS = {path.stem: steps(path.read_text()) for path in sorted(GOLDEN.glob("*.md"))}


def is_question(step):
    return step.info == ["console"] and QUESTION.match(step.text) and not WRITES.search(step.text)


class Folder:
    """The folder of a script. Its commands say nothing of where the lake is, or have `--lake` in their text."""

    def __init__(self, path):
        self.path = path
        self.variables = environment() | {"HOME": str(path), "PATH": f"{BINARY.parent}:{environment()['PATH']}"}

    def run(self, command, variables=None):
        """Exit code, rows, and what is said."""
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=self.path,
            env=self.variables | (variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
        )
        return result.returncode, result.stdout.decode(), result.stderr.decode()

    def write(self, kind, name, text):
        content = text.encode()
        if kind == "fixture":
            form = ["hprof"] if name.endswith(".hprof") else []
            content = subprocess.run([FIXTURE, *form], input=content, stdout=subprocess.PIPE, check=True).stdout
        (self.path / name).write_bytes(content)


def rows(command, outcome):
    """What has to be the same: the rows, in their order if the command gives one, or else what is said."""
    code, out, said = outcome
    if code == 2:
        return code, out, said
    if "explain" in command.lower():
        return code
    return code, out if " order by " in command.lower() else sorted(out.splitlines())


def test_there_are_questions():
    n_questions = {name: sum(map(bool, map(is_question, steps))) for name, steps in SCRIPTS.items()}
    assert sum(n_questions.values()) > 200, n_questions


@pytest.mark.parametrize("name", [name for name, steps in SCRIPTS.items() if any(map(is_question, steps))])
def test_rows_are_those_of_one_machine(name, tmp_path):
    script = SCRIPTS[name]
    if not FIXTURE.exists() and any(step.info[0] == "fixture" for step in script):
        pytest.skip(f"{FIXTURE} is not there; ./test builds it")
    folder = Folder(tmp_path)
    (tmp_path / "datasets").symlink_to(REPOSITORY / "datasets")
    variables, different, is_divided = {}, [], False
    with ExitStack() as stack:
        for step in script:
            if step.info[0] in ("fixture", "dump"):
                folder.write(*step.info, step.text)
                continue
            if step.info != ["console"]:
                continue
            alone = folder.run(step.text)
            named = re.search(r"--lake (\S+)", step.text)
            lake = tmp_path / (named[1] if named else "lake")
            if not is_question(step) or not (lake / "heaplake.json").exists():
                continue
            if lake not in variables:
                variables[lake] = stack.enter_context(workers(Lake(lake), 2))[1] | SHARE
            spread = folder.run(step.text, variables[lake])
            if rows(step.text, spread) != rows(step.text, alone):
                different.append((step.text, alone, spread))
            is_divided = is_divided or "input_tasks=2" in folder.run(f"heaplake --lake {lake} {PLAN}", variables[lake])[1]
    assert not different
    assert is_divided == (name not in UNDIVIDED)
