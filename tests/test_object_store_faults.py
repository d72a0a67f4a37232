"""A store that makes mistakes, processes that are killed, and several who write at once: a dump is there whole, or not at all."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from stores import FAULTS, Mistakes, files, lake_at, proxy

pytest.importorskip("moto", reason="moto is not installed (tests/requirements-stores.txt)")

N_SEEDS = 8
N_RIVALS = 16


@pytest.fixture(scope="module")
def source(tmp_path_factory, small_dump):
    """A folder with one dump, "small". Only read it."""
    lake = lake_at(tmp_path_factory.mktemp("source") / "lake", "http://127.0.0.1:1")
    lake.load(small_dump, "small")
    return lake


def assert_same_there(store, url, folder, source):
    """What is pulled is the dump as it is here."""
    lake = lake_at(folder, store.endpoint)
    lake.ok("pull", url)
    assert files(lake) == files(source)
    lake.assert_sound()


@pytest.mark.parametrize("seed", range(N_SEEDS))
def test_a_store_that_makes_mistakes(seed, store, source, url, tmp_path):
    mistakes = Mistakes(seed)
    with proxy(store, fault=mistakes) as faulty:
        lake_at(source.path, faulty.endpoint).ok("push", "--to", url)
        lake = lake_at(tmp_path / "there", faulty.endpoint)
        lake.ok("pull", url)
    assert mistakes.n_made > 5
    assert files(lake) == files(source)
    lake.assert_sound()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_at_the_commit(fault, store, source, url, tmp_path):
    """Above all the answer to a put that succeeded may be lost: then the dump is our own, not another's."""
    made = []

    def at_first(request):
        if request.method == "PUT" and request.path.split("?")[0].endswith("dumps/small.json") and len(made) < 2:
            made.append(request)
            return fault
        return None

    with proxy(store, fault=at_first) as faulty:
        lake_at(source.path, faulty.endpoint).ok("push", "--to", url)
    assert made
    assert_same_there(store, url, tmp_path / "there", source)


@pytest.mark.parametrize("fault", ["409", "reset", "slow down"])
def test_a_commit_that_never_succeeds(fault, store, source, url, prefix):
    def always(request):
        return fault if request.method == "PUT" and request.path.endswith("small.json") else None

    with proxy(store, fault=always) as faulty:
        message = lake_at(source.path, faulty.endpoint).fails("push", "--to", url)
    assert "dumps/small.json" in message
    assert "dumps/small.json" not in store.objects(prefix)


class Killer:
    """Kills a command when it makes its n-th request, before the store sees it or after."""

    def __init__(self, n, is_after):
        self.n, self.is_after = n, is_after
        self.process = None
        self.started = threading.Event()

    def kill(self, request):
        if request.n == self.n:
            self.started.wait(10)
            self.process.kill()
            self.process.wait()

    def run(self, store, lake, *args):
        when = {"after" if self.is_after else "before": self.kill}
        with proxy(store, fault=self.fault, **when) as deadly:
            self.process = lake_at(lake.path, deadly.endpoint).start(*args)
            self.started.set()
            self.process.communicate(timeout=60)
            assert self.process.returncode == -signal.SIGKILL, f"it made no request {self.n}"
            # What the store was asked for is done before anybody looks.
            time.sleep(0.02)

    def fault(self, request):
        return "reset" if request.n >= self.n and not self.is_after else None


def n_requests(store, lake, *args):
    """How many requests a command makes when nothing goes wrong."""
    with proxy(store) as counting:
        lake_at(lake.path, counting.endpoint).ok(*args)
        return len(counting.requests)


@pytest.mark.slow
@pytest.mark.parametrize("is_after", [False, True])
def test_a_push_killed_at_every_request(is_after, store, source, prefix, tmp_path):
    n = n_requests(store, source, "push", "--to", f"s3://heaps/{prefix}-whole")
    assert n > 15
    n_whole = 0
    for k in range(1, n + 1):
        url = f"s3://heaps/{prefix}-{k}"
        Killer(k, is_after).run(store, source, "push", "--to", url)
        objects = store.content(f"{prefix}-{k}")
        if "dumps/small.json" in objects:
            n_whole += 1
            assert objects == files(source)
        else:
            there = lake_at(tmp_path / f"none-{k}", store.endpoint)
            there.run("pull", url)
            assert not (there.path / "dumps/small.json").exists()
        lake_at(source.path, store.endpoint).ok("push", "--to", url)
        assert store.content(f"{prefix}-{k}") == files(source)
    assert n_whole < n / 2
    assert_same_there(store, f"s3://heaps/{prefix}-1", tmp_path / "there", source)


@pytest.mark.slow
def test_a_pull_killed_at_every_request(store, source, url, tmp_path):
    lake_at(source.path, store.endpoint).ok("push", "--to", url)
    n = n_requests(store, lake_at(tmp_path / "whole", store.endpoint), "pull", url)
    for k in range(1, n + 1):
        there = lake_at(tmp_path / f"there-{k}", store.endpoint)
        Killer(k, True).run(store, there, "pull", url)
        assert not (there.path / "dumps/small.json").exists() or files(there) == files(source)
        there.ok("pull", url)
        assert files(there) == files(source)
        there.assert_sound()


@pytest.fixture(scope="module")
def rivals(tmp_path_factory, small_dump):
    """Folders that each have another dump of the same name."""
    lakes = []
    for k in range(N_RIVALS):
        lake = lake_at(tmp_path_factory.mktemp(f"rival{k}") / "lake", "http://127.0.0.1:1")
        lake.load(small_dump, "small", "--tag", f"rival={k}")
        lakes.append(lake)
    return lakes


def race(store, rivals, *args):
    """All of them at once; their results."""
    with ThreadPoolExecutor(len(rivals)) as pool:
        lakes = [lake_at(lake.path, store.endpoint) for lake in rivals]
        return list(pool.map(lambda lake: lake.run(*args), lakes))


def test_of_several_who_push_one_name_one_wins(store, rivals, url, tmp_path):
    results = race(store, rivals, "push", "--to", url)
    winners = [k for k, result in enumerate(results) if result.returncode == 0]
    assert len(winners) == 1, [result.stderr for result in results]
    for k, result in enumerate(results):
        if k not in winners:
            assert result.returncode == 2 and b"has another dump small already" in result.stderr
    assert_same_there(store, url, tmp_path / "there", rivals[winners[0]])


def test_several_who_replace_at_once(store, rivals, url, tmp_path):
    lake_at(rivals[0].path, store.endpoint).ok("push", "--to", url)
    for _ in range(3):
        results = race(store, rivals[1:], "push", "--replace", "--to", url)
        won = [result.returncode == 0 for result in results]
        assert any(won)
        for result in results:
            assert result.returncode == 0 or b"replaced or removed meanwhile" in result.stderr
    there = lake_at(tmp_path / "there", store.endpoint)
    there.ok("pull", url)
    there.assert_sound()
    assert files(there) in [files(lake) for lake in rivals]


def test_several_who_push_the_same_dump(store, source, url, tmp_path):
    results = race(store, [source] * N_RIVALS, "push", "--to", url)
    assert [result.returncode for result in results] == [0] * N_RIVALS
    assert_same_there(store, url, tmp_path / "there", source)


def test_a_pull_while_the_dump_is_replaced(store, rivals, url, tmp_path):
    """Files of the dump that was replaced stay for processes that read them."""
    lake_at(rivals[0].path, store.endpoint).ok("push", "--to", url)
    replaced = []

    def replace(request):
        if request.method == "GET" and "/obj/dump" in request.path and not replaced:
            replaced.append(True)
            lake_at(rivals[1].path, store.endpoint).ok("push", "--replace", "--to", url)

    with proxy(store, before=replace) as watched:
        there = lake_at(tmp_path / "there", watched.endpoint)
        there.ok("pull", url)
    assert replaced
    there.assert_sound()
    assert there.manifest("small") == rivals[0].manifest("small")
