"""No space left: a clear error, the lake as it was, and the next import works."""

import os
import resource
import subprocess

import pytest

from lake import Lake


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"mounting a small file system is not permitted here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(small_disk, small_dump, big_dump):
    lake = Lake(small_disk / "lake")
    lake.load(small_dump, "old")
    before = lake.content()
    message = lake.fails("import", "--dump", "big", big_dump)
    assert "No space left on device" in message
    assert lake.content() == before
    assert lake.junk() == set()
    assert lake.dumps() == ["old"]
    lake.load(small_dump, "next")
    assert lake.dumps() == ["old", "next"]
    lake.assert_sound()


def test_a_disk_full_to_the_last_byte(small_disk, small_dump):
    lake = Lake(small_disk / "lake")
    lake.load(small_dump, "old")
    before = lake.content()
    (small_disk / "ballast").write_bytes(b"")
    with open(small_disk / "ballast", "ab", buffering=0) as ballast:
        with pytest.raises(OSError):
            while True:
                ballast.write(bytes(4096))
    assert "No space left on device" in lake.fails("import", "--dump", "next", small_dump)
    assert lake.content() == before
    assert lake.sql("select count(*) from old.obj") == [(1_000,)]
    (small_disk / "ballast").unlink()
    lake.load(small_dump, "next")
    lake.assert_sound()


@pytest.mark.parametrize("limit", [100, 10_000, 300_000, 1_000_000])
def test_a_file_may_not_grow(lake, small_dump, big_dump, limit):
    """A quota on the size of a file stops the import at different places."""
    lake.load(small_dump, "old")
    before = lake.content()
    message = lake.fails(
        "import",
        "--dump",
        "big",
        big_dump,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        restore_signals=False,
    )
    assert "File too large" in message
    assert lake.content() == before
    assert lake.junk() == set()
    lake.load(big_dump, "big")
    assert lake.sql("select count(*) from big.obj") == [(300_000,)]
    lake.assert_sound()


def test_output_that_cannot_be_written(edx_lake, tmp_path):
    with open("/dev/full", "wb") as full:
        process = edx_lake.start("sql", "select * from obj", stdout=full)
        message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 2
    assert "No space left on device" in message
    assert "there is no folder" in edx_lake.fails("sql", "-o", tmp_path / "no/such/folder.csv", "select 1 as x")
    assert os.listdir(tmp_path) == []
