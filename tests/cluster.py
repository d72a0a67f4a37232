"""Workers on loopback, for tests of statements that run on a cluster."""

import copy
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from lake import BINARY, environment

#: The binary with the parts of a cluster; `cargo build --workspace` builds it beside the other.
CLUSTER_BINARY = BINARY.with_name("heaplake-cluster")

#: Small enough that the tables of small dumps are divided among workers.
SHARE = {"HEAPLAKE_CLUSTER_SHARE": "1kB"}


def needs_cluster():
    return pytest.mark.skipif(not CLUSTER_BINARY.exists(), reason=f"{CLUSTER_BINARY} is not there; ./test builds it")


class Worker:
    """A worker over a lake, in a process of its own."""

    def __init__(self, lake, *args, variables=None):
        command = lake.command("worker", "--listen", "127.0.0.1:0", *args)
        env = environment() | lake.variables | (variables or {})
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            self.process.kill()
            raise AssertionError(line + self.process.communicate()[1].decode())
        self.address = line.removeprefix("listening on ").strip()

    def ticks(self):
        """How long it has worked so far, in hundredths of a second."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it as a service manager does; its exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout=30)
        finally:
            self.process.kill()
        self.process.communicate()
        return code


@contextmanager
def workers(lake, n, *args, variables=None):
    """Some workers, and the variables with which a command uses them."""
    running = []
    try:
        for _ in range(n):
            running.append(Worker(lake, *args, variables=variables))
        addresses = ",".join(worker.address for worker in running)
        yield running, {"HEAPLAKE_CLUSTER": addresses} | SHARE | (variables or {})
    finally:
        for worker in running:
            worker.stop()


def with_variables(lake, variables):
    """The same lake, asked with more variables."""
    other = copy.copy(lake)
    other.variables = lake.variables | variables
    return other


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


