"""heaplake demo: every command that it shows repeats what it shows below."""

import re
import subprocess
import time

from lake import BINARY, TIMEOUT, environment

#: A command with its further lines, and what stands below it up to the next empty line but one.
STEP = re.compile(r"^  \$ (heaplake --lake demo-lake .*(?:\n      .*)*)\n\n((?:(?!  \$ ).*\n)*)", re.MULTILINE)


def bash(folder, command):
    # Links, so that the commands find the program under its name.
    (folder / "bin").mkdir(exist_ok=True)
    if not (folder / "bin/heaplake").exists():
        (folder / "bin/heaplake").symlink_to(BINARY)
    env = environment()
    env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, f"$ {command}\n{done.stderr.decode()}"
    return done.stdout.decode()


def test_the_commands_of_the_demo_can_be_repeated(tmp_path):
    begun = time.monotonic()
    told = bash(tmp_path, "heaplake demo")
    assert time.monotonic() - begun < 10
    steps = STEP.findall(told)
    assert len(steps) == 11
    for command, below in steps:
        what = command.split()[3]
        if what == "import":
            bash(tmp_path, command)
            continue
        answer = bash(tmp_path, f"{command} --quiet --format table")
        assert answer and below.startswith(answer), f"$ {command}\n{answer}\nis not what the demo shows:\n{below}"
        assert what != "diff" or "CombinedSystem" in answer and "LmsModuleSystem" in answer
