"""Ctrl-C and a polite end: exit code 130, nothing left, the lake as it was."""

import signal
import subprocess
import time

import pytest

ENDLESS = "select count(*) from edge a cross join edge b where a.child * 3 + b.parent = 1"


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_import_is_stopped(lake, small_dump, big_dump, number):
    lake.load(small_dump, "old")
    before = lake.content()
    process = lake.start("import", "--dump", "big", big_dump)
    wait_for(lambda: any(lake.path.glob("tmp/import-*")))
    process.send_signal(number)
    output, message = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, b"")
    assert b"the lake is as it was" in message
    assert lake.content() == before
    assert lake.junk() == set()
    assert lake.dumps() == ["old"]


def test_an_import_that_waits_for_input_is_stopped(lake, small_dump):
    lake.load(small_dump, "old")
    process = lake.start("import", "--dump", "slow", "-", stdin=subprocess.PIPE)
    process.stdin.write(b'{"address": 1, "type": "a", "size": 1, "refs": []}\n')
    process.stdin.flush()
    wait_for(lambda: any(lake.path.glob("tmp/import-*")))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    process.stdin.close()
    lake.load(small_dump, "next")
    assert lake.dumps() == ["old", "next"]
    lake.assert_sound()


def test_a_query_is_stopped(lake, big_dump, tmp_path):
    lake.load(big_dump)
    process = lake.start("sql", "-o", tmp_path / "out.csv", ENDLESS)
    time.sleep(1)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"stopped" in message
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
