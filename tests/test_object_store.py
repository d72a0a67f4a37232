"""Dumps go to an object store and come back, whole or not at all."""

import json

import polars
import pytest

import heaps
from lake import Lake
from stores import SECRET, files, lake_at, proxy, variables

pytest.importorskip("moto", reason="moto is not installed (tests/requirements-stores.txt)")


@pytest.fixture
def here(tmp_path, store, small_dump):
    """A folder with one dump, "small"."""
    lake = lake_at(tmp_path / "here", store.endpoint)
    lake.load(small_dump, "small")
    return lake


@pytest.fixture
def there(tmp_path, store):
    """A folder that is not there yet."""
    return lake_at(tmp_path / "there", store.endpoint)


def notes(lake, *args):
    """What a command that must succeed says on standard error."""
    result = lake.run(*args)
    assert result.returncode == 0, result.stderr.decode()
    return result.stderr.decode()


def remote(url, store):
    """The lake in the store, for commands that take one."""

    class Remote(Lake):
        def command(self, *args):
            return [*super().command(*args)[:1], "--lake", url, *map(str, args)]

    return Remote("unused", variables(store.endpoint))


def test_up_and_down_is_byte_for_byte_the_same(here, there, url, store, prefix, big_dump, edx):
    here.load(edx["py38-1"], "edx", "--tag", "host=web3")
    here.load(big_dump, "big")
    here.ok("prune", "small", "--older-than", "0d", "--keep-summaries")
    here.ok("whatif", "--cut", "dict", "--save", "no-dicts", "--dump", "edx")
    here.ok("shell", "--dump", "edx", input=b"set me 1234\n")
    here.ok("push", "--to", url)
    assert store.content(prefix) == files(here)
    there.ok("pull", url)
    assert files(there) == files(here)
    there.assert_sound()
    # A second time nothing is sent.
    with proxy(store) as watched:
        again = lake_at(here.path, watched.endpoint)
        assert notes(again, "push", "--to", url).count("there already") == len(here.dumps())
        assert {request.method for request in watched.requests} <= {"GET", "HEAD"}
    assert notes(there, "pull", url).count("here already") == len(here.dumps())


def test_only_the_dumps_that_are_selected(here, there, url, store, small_dump):
    here.load(small_dump, "other", "--tag", "host=web3")
    here.load(small_dump, "third")
    here.ok("push", "other", "third", "--to", url)
    assert [dump["id"] for dump in json.loads(remote(url, store).ok("dumps", "--format", "json"))] == ["other", "third"]
    there.ok("pull", url, "host=web3")
    assert there.dumps() == ["other"]
    assert "small" in there.fails("pull", url, "small")


def test_another_dump_of_the_name(here, there, url, tmp_path, store, big_dump):
    here.ok("push", "--to", url)
    there.load(big_dump, "small")
    message = there.fails("push", "--to", url)
    assert "has another dump small already" in message and "--replace" in message
    message = there.fails("pull", url)
    assert "has another dump small already" in message and "--replace" in message
    assert there.sql("select count(*) from obj") == [(300_000,)]
    there.ok("push", "--replace", "--to", url)
    assert "has another dump" in here.fails("push", "--to", url)
    here.ok("pull", "--replace", url)
    assert files(here) == files(there)
    here.assert_sound()


def test_tags_that_changed_are_another_dump(here, there, url):
    here.ok("push", "--to", url)
    here.ok("tag", "small", "host=web3")
    assert "has another dump" in here.fails("push", "--to", url)
    assert "copied, 0 files" in notes(here, "push", "--replace", "--to", url)
    there.ok("pull", url)
    assert files(there) == files(here)


def test_layers_follow_later(here, there, url):
    here.ok("push", "--to", url)
    here.ok("whatif", "--cut", "dict", "--save", "layer")
    assert "that it lacked" in notes(here, "push", "--to", url)
    there.ok("pull", url)
    assert files(there) == files(here)


def test_a_list_asks_for_new_manifests_alone(here, url, store, small_dump, tmp_path):
    for n in range(5):
        here.load(small_dump, f"more-{n}")
    here.ok("push", "--to", url)
    with proxy(store) as watched:
        lake = remote(url, watched)
        lake.variables["HEAPLAKE_CACHE"] = str(tmp_path / "cache")
        first = lake.ok("dumps", "--format", "json")
        n_first = len(watched.requests)
        assert lake.ok("dumps", "--format", "json") == first
        assert len(watched.requests) - n_first == 3
        here.ok("tag", "more-3", "host=web3")
        here.ok("push", "--replace", "more-3", "--to", url)
        assert json.loads(lake.ok("dumps", "--format", "json", "host=web3"))[0]["id"] == "more-3"
        # What is in the cache is no permission to remove another dump.
        lake.ok("rm", "more-3", "small")
    assert len(json.loads(remote(url, store).ok("dumps", "--format", "json"))) == 4
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "cache").rglob("*")} == {0}


def test_another_program_reads_the_tables_there(here, url, store, small_dump):
    here.load(small_dump, "other")
    here.ok("push", "--to", url)
    options = {
        "aws_endpoint_url": store.endpoint,
        "aws_access_key_id": "tester",
        "aws_secret_access_key": SECRET,
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }
    objects = polars.scan_parquet(f"{url}/obj/*/*.parquet", storage_options=options, hive_partitioning=True)
    assert sorted(objects.group_by("dump").len().collect().rows()) == [("other", 1_000), ("small", 1_000)]


def test_wrong_bytes_leave_no_dump(here, there, url, store, prefix):
    here.ok("push", "--to", url)
    name, key = next((name, key) for name, key in store.objects(prefix).items() if name.startswith("edge/"))
    sound = bytes(key.value)
    for spoilt, complaint in [
        (sound[:-1] + bytes([sound[-1] ^ 1]), "checksum"),
        (sound[:-100], "ends at byte"),
        (b"", name),
    ]:
        key.value = spoilt
        message = there.fails("pull", url)
        assert complaint in message and name in message
        assert there.dumps() == [] and there.junk() == set()
    key.value = sound
    del store.objects(prefix)[name]


def test_a_file_that_is_missing_leaves_no_dump(here, there, url, store, prefix):
    from moto.s3.models import s3_backends

    here.ok("push", "--to", url)
    name = next(name for name in store.objects(prefix) if name.startswith("obj/"))
    keys = next(iter(s3_backends["123456789012"].values())).buckets["heaps"].keys
    keys.pop(f"{prefix}/{name}")
    message = there.fails("pull", url)
    assert name in message and "missing" in message
    assert there.dumps() == []


def test_damage_here_does_not_go_there(here, url, store, prefix):
    file = next(here.path.glob("obj/*/*.parquet"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    message = here.fails("push", "--to", url)
    assert "checksum" in message and "heaplake verify" in message
    assert "dumps/small.json" not in store.objects(prefix)


def test_removed_there(here, there, url, store, prefix):
    here.ok("push", "--to", url)
    lake = remote(url, store)
    assert "would remove small" in notes(lake, "rm", "--dry-run", "small")
    lake.ok("rm", "small")
    assert json.loads(lake.ok("dumps", "--format", "json")) == []
    assert "has no dumps" in notes(there, "pull", url)
    lake.fails("rm", "small")
    # Its files stay for those who read them, and a push finds them again.
    assert "were there of an earlier push" in notes(here, "push", "--to", url)
    there.ok("pull", url)
    assert files(there) == files(here)


def test_a_sweep_deletes_what_is_of_no_dump_and_old(here, there, url, store, prefix, big_dump):
    here.load(big_dump, "big")
    here.ok("push", "--to", url)
    lake = remote(url, store)
    lake.ok("rm", "big")
    of_big = {name for name in store.objects(prefix) if "dump=big" in name}
    assert of_big
    assert f"{len(of_big)} files of no dump stay" in notes(lake, "sweep", url)
    # The files are old, the removal is not: they may still be read.
    store.age(prefix, 2, lambda name: "dump=big" in name)
    assert "0 files deleted" in notes(lake, "sweep", url)
    store.age(prefix, 2)
    assert f"{len(of_big)} files would be deleted" in notes(lake, "sweep", url, "--dry-run")
    assert of_big <= store.objects(prefix).keys()
    assert f"{len(of_big)} files deleted" in notes(lake, "sweep", url)
    left = store.content(prefix)
    assert left.pop("dumps/big.json")
    here.ok("rm", "big")
    assert left == files(here)
    there.ok("pull", url)
    assert files(there) == files(here)


def test_large_files_go_in_parts(here, there, url, store, big_dump, tmp_path):
    here.load(big_dump, "big")
    largest = max(path.stat().st_size for path in here.path.rglob("*") if path.is_file())
    assert largest > 8 << 20, "nothing here needs parts"
    with proxy(store) as watched:
        lake_at(here.path, watched.endpoint).ok("push", "big", "--to", url)
        assert any("uploadId" in request.path for request in watched.requests)
        lake_at(there.path, watched.endpoint).ok("pull", url)
    there.assert_sound()


def test_secrets_are_shown_nowhere(here, url, store, tmp_path):
    for bad in (f"s3://key:{SECRET}@heaps/x", f"s3://heaps/x?secret={SECRET}", f"https://u:{SECRET}@heaps/x"):
        for command in (("push", "--to", bad), ("pull", bad), ("sweep", bad)):
            assert SECRET not in here.fails(*command)
    for endpoint in (f"http://u:{SECRET}@127.0.0.1:1", f"https://127.0.0.1:1/?x={SECRET}"):
        assert SECRET not in lake_at(here.path, endpoint).fails("push", "--to", url)
    with proxy(store, fault=lambda request: "409" if request.is_conditional else None) as conflicts:
        assert SECRET not in lake_at(here.path, conflicts.endpoint).fails("push", "--to", url)
    here.ok("push", "--to", url)
    assert not any(SECRET.encode() in content for content in files(here).values())


def test_commands_that_need_a_folder_say_so(here, url, store):
    lake = remote(url, store)
    for command in (("demo",), ("push", "--to", url)):
        assert "object store" in lake.fails(*command)
    assert not (here.path.parent / "s3:").exists()


def test_an_import_goes_there(there, url, store, small_dump, edx, tmp_path):
    lake = remote(url, store)
    lake.variables["TMPDIR"] = str(tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    lake.fails("import", tmp_path / "absent.dump")
    assert "is not a lake" in there.fails("pull", url)
    said = notes(lake, "import", "--dump", "one", "--tag", "host=web3", small_dump)
    assert "one: 1,000 objects" in said and "one: copied" in said
    lake.ok("import", edx["py38-1"], edx["py38-2"])
    assert "has another dump one already" in lake.fails("import", "--dump", "one", small_dump)
    lake.ok("import", "--dump", "one", "--replace", edx["py38-3"])
    assert not any((tmp_path / "tmp").iterdir())
    there.ok("pull", url)
    assert set(there.dumps()) == {"one", "d1", "d2"}
    there.assert_sound()


def test_without_credentials(here, url, store):
    settings = {"HOME": str(here.path), "AWS_ENDPOINT_URL": store.endpoint, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:2"}
    nobody = Lake(here.path, settings)
    message = nobody.fails("push", "--to", url)
    assert "no credentials" in message and "AWS_PROFILE" in message


def test_credentials_of_a_profile(here, url, store, tmp_path):
    (tmp_path / ".aws").mkdir()
    keys = f"[web]\naws_access_key_id = k\naws_secret_access_key = {SECRET}\n"
    (tmp_path / ".aws/credentials").write_text(keys)
    (tmp_path / ".aws/config").write_text(f"[profile web]\nregion = eu-west-1\nendpoint_url = {store.endpoint}\n")
    Lake(here.path, {"HOME": str(tmp_path), "AWS_PROFILE": "web"}).ok("push", "--to", url)


def test_no_lake_there(there, url, store):
    message = there.fails("pull", url)
    assert "is not a lake" in message and url in message
    assert not there.path.exists()
    message = there.fails("pull", "s3://no-such-bucket/x")
    assert "NoSuchBucket" in message


def test_a_lake_of_another_version_is_refused(here, there, url, store, prefix):
    here.ok("push", "--to", url)
    store.objects(prefix)["heaplake.json"].value = b'{"format_version": 99}'
    assert "format version 99" in there.fails("pull", url)
    assert "format version 99" in here.fails("push", "--to", url)


def test_memory_is_bounded(here, there, url, tmp_path):
    file = heaps.write_big(tmp_path / "large.dump", 1_500_000, seed=2)
    here.load(file, "large")
    n_bytes = sum(len(content) for name, content in files(here).items() if "large" in name)
    assert n_bytes > 100 << 20
    assert here.peak("push", "large", "--to", url) < 160 << 20
    assert there.peak("pull", url, "large") < 160 << 20


@pytest.mark.parametrize("replace", [[], ["--replace"]], ids=["", "replace"])
def test_a_push_sends_what_a_dump_has_lost(here, there, url, store, prefix, replace):
    here.ok("push", "--to", url)
    [lost] = [key for key in store.content(prefix) if key.endswith("-obj.parquet")]
    store.lose(prefix, lost)
    failed = there.run("pull", url)
    assert failed.returncode == 2 and f"{lost}: it is missing" in failed.stderr.decode() and there.dumps() == []
    assert "there already; copied 1 file" in notes(here, "push", "--to", url, *replace)
    assert store.content(prefix) == files(here)
    there.ok("pull", url)
    assert files(there) == files(here)
