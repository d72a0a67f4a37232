"""Lakes in stores of Google and of Azure keep what is promised of those in S3."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import heaps
from clouds import TOKEN, Azure, Google, azurite
from lake import Lake
from stores import files


@pytest.fixture(scope="module", params=["google", "azure"])
def cloud(request, tmp_path_factory):
    if request.param == "azure" and not azurite():
        pytest.skip("there is no azurite-blob (npm install -g azurite)")
    running = Google() if request.param == "google" else Azure(tmp_path_factory.mktemp("azurite"))
    yield running
    running.stop()


@pytest.fixture
def url(cloud, request):
    return f"{cloud.scheme}://heaps/{request.node.originalname}"


class CloudLake(Lake):
    """A lake in a store."""

    def __init__(self, url, cloud, cache=""):
        super().__init__("unused", cloud.variables(cache))
        self.url = url

    def command(self, *args):
        return [*super().command(*args)[:1], "--lake", self.url, *map(str, args)]


@pytest.fixture
def here(tmp_path, cloud, small_dump):
    """A folder with one dump, "small"."""
    lake = Lake(tmp_path / "here", cloud.variables())
    lake.load(small_dump, "small")
    return lake


def test_up_and_down_is_byte_for_byte_the_same(here, url, cloud, tmp_path, big_dump, edx):
    here.load(edx["py38-1"], "edx", "--tag", "host=web3")
    here.load(big_dump, "big")
    here.ok("whatif", "--cut", "dict", "--save", "no-dicts", "--dump", "edx")
    here.ok("push", "--to", url)
    assert "there already" in here.run("push", "--to", url).stderr.decode()
    there = Lake(tmp_path / "there", cloud.variables())
    there.ok("pull", url)
    assert files(there) == files(here)
    there.assert_sound()


def test_it_is_asked_and_changed(here, url, cloud, tmp_path, small_dump):
    here.ok("push", "--to", url)
    lake = CloudLake(url, cloud, tmp_path / "cache")
    question = ("sql", "select type, count(*) from obj group by type order by type", "--format", "csv")
    for _ in range(2):
        assert lake.ok(*question) == here.ok(*question)
    lake.ok("import", "--dump", "other", small_dump)
    # From the list and the cache, which do not have all that a condition needs.
    lake.ok("tag", "other", "host=web3")
    assert json.loads(lake.ok("dumps", "host=web3", "--format", "json"))[0]["id"] == "other"
    lake.ok("rm", "small")
    assert [dump["id"] for dump in json.loads(lake.ok("dumps", "--format", "json"))] == ["other"]
    assert b"stay until they" in lake.run("sweep", url, "--dry-run").stderr
    lake.ok("verify")
    here.ok("push", "--replace", "--to", url)
    assert len(json.loads(lake.ok("dumps", "--format", "json"))) == 2


def test_dumps_in_a_bucket_are_imported(url, cloud, tmp_path, small_dump):
    prefix = url.partition("://heaps/")[2]
    packed = gzip.compress(small_dump.read_bytes())
    for name, content in {"a.dump.gz": packed, "b.dump.gz": packed, "notes.txt": b"no dump", "deep/c.dump.gz": packed}.items():
        cloud.put(f"{prefix}/raw/{name}", content)
    here = Lake(tmp_path / "imported", cloud.variables())
    here.ok("import", f"{url}/raw/*.dump.gz")
    expected = Lake(tmp_path / "expected")
    expected.load(small_dump, "x")
    [n_objects] = expected.sql("select count(*) from obj")
    assert here.sql("select count(*) from history.obj group by dump") == [n_objects] * 2
    # From the bucket into a lake in the bucket, without a copy of either here.
    lake = CloudLake(f"{url}/lake", cloud)
    lake.ok("import", "--dump", "one", f"{url}/raw/a.dump.gz")
    assert lake.sql("select type, sum(size) from obj group by type order by type") == expected.sql(
        "select type, sum(size) from obj group by type order by type"
    )
    message = here.fails("import", f"{url}/raw/*.absent")
    assert f"{url}/raw/*.absent" in message, message


def test_of_several_who_push_one_name_one_wins(url, cloud, tmp_path):
    rivals = []
    for n in range(6):
        rivals.append(Lake(tmp_path / f"rival-{n}", cloud.variables()))
        rivals[-1].load(heaps.write_big(tmp_path / f"{n}.dump", 1_000 + n), "one")
    with ThreadPoolExecutor(len(rivals)) as pool:
        results = list(pool.map(lambda rival: rival.run("push", "--to", url), rivals))
    winners = [rival for rival, result in zip(rivals, results) if result.returncode == 0]
    assert len(winners) == 1, [result.stderr for result in results]
    assert all(b"has another dump" in result.stderr for result in results if result.returncode != 0)
    there = Lake(tmp_path / "there", cloud.variables())
    there.ok("pull", url)
    assert files(there) == files(winners[0])


def test_conditions_are_about_generations(here, url, cloud):
    if cloud.scheme != "gs":
        pytest.skip("Google's alone")
    here.ok("push", "--to", url)
    manifest = f"{url.removeprefix('gs://heaps/')}/dumps/small.json"
    CloudLake(url, cloud).ok("tag", "small", "host=web3")
    first, second = [condition for key, condition in cloud.puts if key == manifest]
    assert first == "0" and int(second) > 1_000_000


def test_foreign_objects_are_reported_and_left_out(here, url, cloud):
    if cloud.scheme != "gs":
        pytest.skip("Azurite normalises such names")
    here.ok("push", "--to", url)
    prefix = url.removeprefix("gs://heaps/")
    for name in ("dumps/../x.json", "dumps//y.json", "dumps/read me.txt", "dumps/"):
        cloud.put(f"{prefix}/{name}", b"{}")
    lake = CloudLake(url, cloud)
    result = lake.run("dumps")
    assert result.returncode == 0 and b"small" in result.stdout
    assert b"left out: the object" in result.stderr and b"2 others" in result.stderr


def test_without_credentials(here, url, cloud):
    nobody = Lake(here.path, cloud.nobody())
    message = nobody.fails("push", "--to", url)
    assert "no credentials" in message and "GOOGLE_APPLICATION_CREDENTIALS" in message


def test_secrets_are_shown_nowhere(here, url, cloud, tmp_path):
    key = tmp_path / "key.json"
    key.write_text('"hunter2"')
    wrong = {
        "gs": [
            {"GOOGLE_SERVICE_ACCOUNT_KEY": '"hunter2"'},
            {"GOOGLE_SERVICE_ACCOUNT": str(key)},
            {"GOOGLE_SERVICE_ACCOUNT": str(tmp_path / "absent.json")},
            {"GOOGLE_APPLICATION_CREDENTIALS": str(key)},
            {"GOOGLE_BASE_URL": "http://u:hunter2@storage.example.com"},
            {"GOOGLE_BASE_URL": "http://storage.example.com"},
        ],
        "az": [
            {"AZURE_STORAGE_ACCOUNT_KEY": "hunter2-is-no-base64!"},
            {"AZURE_STORAGE_SAS_TOKEN": "hunter2"},
            {"AZURE_STORAGE_ACCOUNT_NAME": "", "AZURE_STORAGE_USE_EMULATOR": "false"},
            {"AZURITE_BLOB_STORAGE_URL": "http://u:hunter2@127.0.0.1:1"},
            {"AZURITE_BLOB_STORAGE_URL": "http://azure.example.com"},
        ],
    }[cloud.scheme]
    for variables in wrong:
        message = Lake(here.path, cloud.variables() | variables).fails("push", "--to", url)
        assert "hunter2" not in message and TOKEN not in message, message
    here.ok("push", "--to", url)
    assert not any(TOKEN.encode() in content for content in files(here).values())


def test_no_bucket(here, cloud):
    message = here.fails("pull", f"{cloud.scheme}://no-such-bucket/x")
    assert "NoSuchBucket" in message or "ContainerNotFound" in message
