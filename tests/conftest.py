"""Fixtures of all end-to-end tests."""

import pytest

import heaps
from lake import BINARY, REPOSITORY, Lake
from stores import BUCKET, Store


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there; ./test builds it", returncode=2)


@pytest.fixture
def lake(tmp_path):
    """A lake that is not there yet."""
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="session")
def edx():
    """The real dumps: name to file."""
    files = {
        f"{python}-{n}": REPOSITORY / f"datasets/edx/{python}/{n}.dump.gz"
        for python in ("py27", "py38")
        for n in (1, 2, 3)
    }
    missing = [str(file) for file in files.values() if not file.exists()]
    assert not missing, missing
    return files


@pytest.fixture(scope="session")
def edx_lake(edx, tmp_path_factory):
    """A lake of the real dumps. Only read it."""
    lake = Lake(tmp_path_factory.mktemp("edx") / "lake")
    for name, file in edx.items():
        lake.load(file, name)
    return lake


@pytest.fixture(scope="session")
def big_dump(tmp_path_factory):
    """A file of 300,000 objects."""
    return heaps.write_big(tmp_path_factory.mktemp("heaps") / "big.dump", 300_000)


@pytest.fixture(scope="session")
def small_dump(tmp_path_factory):
    """A file of 1,000 objects."""
    return heaps.write_big(tmp_path_factory.mktemp("heaps") / "small.dump", 1_000)


@pytest.fixture(scope="module")
def store():
    """An object store on loopback."""
    running = Store()
    yield running
    running.stop()


@pytest.fixture
def prefix(request):
    """Of the bucket, for this test alone."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)


@pytest.fixture
def url(prefix):
    """Where the test has its lake in the store."""
    return f"s3://{BUCKET}/{prefix}"
