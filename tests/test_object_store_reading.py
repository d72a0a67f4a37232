"""Commands ask a lake in an object store as they ask a folder, and bring what they open to this machine once."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from lake import Lake, environment
from stores import files, lake_at, proxy, variables

pytest.importorskip("moto", reason="moto is not installed (tests/requirements-stores.txt)")

#: What a command needs when nothing is new: the mark of the lake, and the list of its dumps.
WARM = 2


class StoreLake(Lake):
    """A lake in a store. It is named by the environment, so that no command that is shown has its address."""

    def __init__(self, url, endpoint, cache, **more):
        super().__init__(cache, variables(endpoint) | {"HEAPLAKE_LAKE": url, "HEAPLAKE_CACHE": str(cache)} | more)

    def command(self, *args):
        return [super().command()[0], *map(str, args)]

    def cached(self):
        """The tables and indexes that are here."""
        return [path for path in self.path.glob("lakes/*/*/dump=*/*") if path.suffix in (".parquet", ".graph")]


class FolderLake(Lake):
    """A folder that is named in the same way."""

    def __init__(self, path):
        super().__init__(path, {"HEAPLAKE_LAKE": str(path)})

    def command(self, *args):
        return [super().command()[0], *map(str, args)]


@pytest.fixture(scope="module")
def source(tmp_path_factory, edx):
    """A folder with three real dumps, a layer and a name. Only read it."""
    lake = lake_at(tmp_path_factory.mktemp("source") / "lake", "http://127.0.0.1:1")
    for n in (1, 2, 3):
        lake.load(edx[f"py38-{n}"], f"day{n}", "--tag", f"day={n}")
    lake.ok("whatif", "--cut", "dict", "--save", "no-dicts", "--dump", "day3")
    lake.ok("shell", "--dump", "day3", input=b"set me 1234\n")
    return lake


@pytest.fixture
def pushed(source, url, store):
    lake_at(source.path, store.endpoint).ok("push", "--to", url)


@pytest.fixture
def small(tmp_path, small_dump, url, store):
    """One small dump in the store."""
    lake = lake_at(tmp_path / "small", store.endpoint)
    lake.load(small_dump, "small")
    lake.ok("push", "--to", url)
    return lake


def counted(lake, *args, **options):
    """What a command prints, its requests, and the bytes that came."""
    result = lake.run("--stats", *args, **options)
    assert result.returncode == 0, result.stderr.decode()
    found = re.search(r"(\d[\d,]*) requests?, (.*) received", result.stderr.decode())
    return result.stdout, int(found[1].replace(",", "")), found[2]


QUESTIONS = [
    ("sql", "select id, taken, objects, edges, stored_bytes from dump order by id"),
    ("info", "day2"),
    ("sql", "select type, count(*) as n, sum(size) from obj group by type order by n desc, type limit 20"),
    ("sql", "select dump, count(*) from history.edge group by dump order by dump"),
    ("sql", "select id, objects, index_bytes > 0 from dump order by id"),
    ("path", "root ..> (x: dict WHERE len > 100)", "--dump", "day1"),
    ("top", "day3"),
    ("top", "day3", "--layer", "no-dicts"),
    ("diff", "day1", "day3"),
    ("trend",),
    ("suspects",),
    ("check", "history.type_stat.count >= 0"),
    ("tree", "day2"),
    ("chains", "--dump", "day3"),
    ("run", "leak-candidates"),
    ("whatif", "--cut", "dict", "--dump", "day2"),
    ("layers",),
    ("verify",),
]


def test_answers_are_those_of_a_folder(source, pushed, url, store, tmp_path):
    here, there = FolderLake(source.path), StoreLake(url, store.endpoint, tmp_path / "cache")
    n_asked = 0
    for question in QUESTIONS:
        expected = here.run(*question)
        found = there.run(*question)
        assert (found.returncode, found.stdout) == (expected.returncode, expected.stdout), (question, found.stderr)
        n_asked += expected.returncode == 0
    assert n_asked >= 14
    script = b"info\nroot ..> (x: dict WHERE len > 100)\nselect count(*) from obj where address = $me\n"
    assert there.ok("shell", "--dump", "day3", input=script) == here.ok("shell", "--dump", "day3", input=script)
    there.ok("report", "day3", "-o", tmp_path / "report.html")
    assert "day3" in (tmp_path / "report.html").read_text()
    # Its owner alone gets at what is here.
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "cache").rglob("*") if path.is_dir()} == {0}


def test_what_is_here_is_not_asked_for_again(pushed, url, store, tmp_path):
    with proxy(store) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        question = ("path", "root ..> (x: dict WHERE len > 100)", "--dump", "day1")
        first, n_first, _ = counted(lake, *question)
        assert n_first == len(watched.requests) > WARM
        watched.requests.clear()
        again, n_again, received = counted(lake, *question)
        assert again == first and n_again == len(watched.requests) == WARM
        assert received.endswith("B") and not received.endswith("MB")
        watched.requests.clear()
        assert counted(lake, "sql", "select count(*) from obj", "--dump", "day1")[1] == len(watched.requests) <= WARM + 1


def test_no_cache_leaves_nothing(small, url, store, tmp_path):
    (tmp_path / "tmp").mkdir()
    lake = StoreLake(url, store.endpoint, "unused", HEAPLAKE_CACHE="", TMPDIR=str(tmp_path / "tmp"))
    assert lake.ok("sql", "select count(*) from obj", "--format", "csv").split() == ["count(*)", "1000"]
    assert lake.ok("path", "root ..> *") == Lake(small.path).ok("path", "root ..> *")
    assert not any((tmp_path / "tmp").iterdir())


def test_many_dumps_are_listed_by_few_requests(small, url, store, prefix, tmp_path):
    n_dumps = 120
    objects = store.content(prefix)
    manifest = json.loads(objects["dumps/small.json"])
    keys = store.objects(prefix)
    for n in range(n_dumps):
        name = f"d{n:04}"
        text = json.dumps(manifest | {"id": name}).replace("dump=small/", f"dump={name}/")
        store.put(prefix, f"dumps/{name}.json", text.encode())
        for path in (path for path in keys if "dump=small/" in path and path.startswith("type_stat")):
            store.put(prefix, path.replace("dump=small/", f"dump={name}/"), objects[path])
    with proxy(store) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        first = lake.ok("dumps", "--format", "json")
        assert len(json.loads(first)) == n_dumps + 1
        watched.requests.clear()
        assert lake.ok("dumps", "--format", "json") == first
        assert len(watched.requests) <= 3
        assert lake.ok("trend", "--all", "--format", "json")
        assert not any("/obj/" in request.path or "/edge/" in request.path for request in watched.requests)
        watched.requests.clear()
        lake.ok("trend", "--all", "--format", "json")
        assert len(watched.requests) == WARM


@pytest.mark.parametrize("spoil", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:-100], lambda b: None])
def test_wrong_bytes_are_refused(small, url, store, prefix, tmp_path, spoil):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    [name] = [name for name in store.objects(prefix) if name.startswith("obj/")]
    sound = store.content(prefix)[name]
    spoilt = spoil(sound)
    store.lose(prefix, name) if spoilt is None else store.put(prefix, name, spoilt)
    message = lake.fails("sql", "select count(*) from obj where size > 0")
    assert f"{url}/{name}" in message
    assert ("missing" if spoilt is None else "checksum" if len(spoilt) == len(sound) else "ends at byte") in message
    assert not [path for path in lake.cached() if "obj" in path.name]
    assert name in lake.run("verify").stdout.decode()
    store.put(prefix, name, sound)
    assert lake.ok("sql", "select count(*) from obj where size > -1", "--format", "csv").split()[1] == "1000"
    # What is here is not what is asked by verify.
    store.put(prefix, name, sound[:-1] + bytes([sound[-1] ^ 1]))
    result = lake.run("verify")
    assert result.returncode == 1 and name in result.stdout.decode()


@pytest.mark.parametrize("lost", [False, True])
def test_an_index_that_is_wrong_is_built_anew(small, url, store, prefix, tmp_path, lost):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    [name] = [name for name in store.objects(prefix) if name.endswith(".graph")]
    content = store.content(prefix)[name]
    if lost:
        store.lose(prefix, name)
    else:
        store.put(prefix, name, content[:100] + bytes([content[100] ^ 1]) + content[101:], like=name)
    assert lake.ok("path", "root ..> *") == Lake(small.path).ok("path", "root ..> *")


def test_processes_share_a_cold_cache(pushed, url, store, tmp_path):
    with proxy(store, fault=lambda request: "delay") as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        running = [lake.start("path", "root ..> (x: dict WHERE len > 100)", "--dump", "day1") for _ in range(5)]
        outcomes = [process.communicate(timeout=120) for process in running]
        assert [process.returncode for process in running] == [0] * 5, outcomes
        assert len({out for out, _ in outcomes}) == 1
        tables = [request.path for request in watched.requests if request.method == "GET" and ".graph" in request.path]
        assert len(tables) == len(set(tables)) == 1
        assert not any((tmp_path / "cache").glob("lakes/*/tmp/import-*"))


def test_a_killed_process_leaves_nothing_that_counts(pushed, url, store, tmp_path):
    killed = []

    def kill(request):
        if ".graph" in request.path and request.method == "GET" and not killed:
            killed.append(process)
            process.kill()

    with proxy(store, before=kill) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        process = lake.start("path", "root ..> dict", "--dump", "day1")
        process.communicate(timeout=120)
        assert killed and process.returncode != 0
        lake.ok("path", "root ..> dict", "--dump", "day1")
        assert not any((tmp_path / "cache").glob("lakes/*/tmp/import-*"))


def test_a_full_cache_forgets_what_was_not_used(pushed, url, store, tmp_path):
    everything = StoreLake(url, store.endpoint, tmp_path / "all")
    question = ("sql", "select count(*), sum(size) from obj where name is null or name <> ''", "--format", "csv", "--dump")
    answers = {day: everything.ok(*question, day) for day in ("day1", "day2", "day3")}
    sizes = [path.stat().st_size for path in everything.cached()]
    limit = sum(sizes) - min(sizes) // 2
    lake = StoreLake(url, store.endpoint, tmp_path / "cache", HEAPLAKE_CACHE_SIZE=str(limit))
    for day in ("day1", "day2", "day1", "day3"):
        assert lake.ok(*question, day) == answers[day]
        assert sum(path.stat().st_size for path in lake.cached()) <= limit
    days = {path.parent.name for path in lake.cached() if path.name.endswith("-obj.parquet")}
    assert "dump=day3" in days and "dump=day2" not in days
    # A cache that is too small for a single file is slow and right.
    lake = StoreLake(url, store.endpoint, tmp_path / "tiny", HEAPLAKE_CACHE_SIZE="1kB")
    assert lake.ok(*question, "day1") == answers["day1"]
    assert lake.ok("path", "root ..> dict", "--dump", "day1") == everything.ok("path", "root ..> dict", "--dump", "day1")
    lake.variables["HEAPLAKE_CACHE_SIZE"] = "much"
    assert "HEAPLAKE_CACHE_SIZE" in lake.fails("info")


def test_a_dump_that_is_removed_meanwhile(small, url, store, prefix, tmp_path):
    remover = StoreLake(url, store.endpoint, tmp_path / "other")
    removed = []

    def remove(request):
        if "/obj/" in request.path and not removed:
            removed.append(request)
            remover.ok("rm", "small")
            for name in [name for name in store.objects(prefix) if "dump=small" in name]:
                store.lose(prefix, name)

    with proxy(store, before=remove) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        message = lake.fails("sql", "select count(*) from obj where size > 0")
        assert "no dumps yet" in lake.fails("info")
    assert removed and "removed or replaced meanwhile" in message


def test_a_layer_that_is_replaced(small, url, store, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    for cut in ("dict", "list"):
        small.ok("whatif", "--cut", cut, "--save", "layer")
        small.ok("push", "--replace", "--to", url)
        assert lake.ok("top", "--layer", "layer") == small.ok("top", "--layer", "layer")
        assert lake.ok("layers") == small.ok("layers")


def test_hostile_names_do_not_leave_the_cache(small, url, store, prefix, tmp_path):
    objects = store.content(prefix)
    manifest = json.loads(objects["dumps/small.json"])
    for n, path in enumerate(("obj/dump=evil/../../../../evil", "/tmp/evil", "obj/dump=small/x", "obj/dump=evil/a\\b")):
        files = [dict(file, path=path) if file["table"] == "obj" else file for file in manifest["files"]]
        text = json.dumps(manifest | {"id": "evil", "files": files}).replace("dump=small/", "dump=evil/" if n < 2 else "dump=small/")
        store.put(prefix, "dumps/evil.json", text.encode())
        lake = StoreLake(url, store.endpoint, tmp_path / f"cache-{n}")
        assert "is not of the dump" in lake.fails("sql", "select * from obj", "--dump", "evil")
        # The other dump is as good as ever.
        assert "1000" in lake.ok("sql", "select count(*) from obj", "--dump", "small", "--format", "csv")
    store.lose(prefix, "dumps/evil.json")
    for key in ("dumps/../../evil.json", "dumps/..%2Fevil.json", "layers/dump=small/../../../evil.json", "index/dump=small/../x.graph"):
        store.put(prefix, key, objects["dumps/small.json"])
        lake = StoreLake(url, store.endpoint, tmp_path / "inside/cache")
        for command in (("dumps",), ("layers",), ("path", "root ..> *"), ("sql", "select * from dump")):
            result = lake.run(*command)
            # No program of ours writes such a name, and a list that has one is refused.
            assert result.returncode == 0 or b"illegal character sequence" in result.stderr, result.stderr
        store.lose(prefix, key)
    lake.ok("path", "root ..> *")
    assert {path.name for path in (tmp_path / "inside").iterdir()} == {"cache"}
    assert not list(tmp_path.rglob("evil*"))


def test_what_would_change_it_says_so(small, url, store, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    before = store.content(url.removeprefix("s3://heaps/"))
    for command in (
        ("index", "small"),
        ("whatif", "--cut", "dict", "--save", "x"),
        ("layers", "--dump", "small", "--rm", "x"),
        ("suspects", "--ignore", "x"),
        ("push", "--to", url),
        ("pull", url),
        ("demo",),
    ):
        message = lake.fails(*command)
        assert "is in an object store" in message and "pull" in message, command
    result = lake.run("shell", input=b"layers --dump small --rm x\nwhatif --cut dict --save x\nselect count(*) from obj\n")
    assert result.stderr.decode().count("is in an object store") == 2
    assert "1,000" in result.stdout.decode() or "1000" in result.stdout.decode()
    assert store.content(url.removeprefix("s3://heaps/")) == before


def test_tags_names_and_pruning_go_there(small, url, store, prefix, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    for where in (lake, small):
        where.ok("tag", "small", "host=web3", "--taken", "2026-01-02T03:04:05Z")
        where.ok("shell", input=b"set me 1234\n")
    assert store.content(prefix) == files(small)
    for where in (lake, small):
        where.ok("tag", "small", "--unset", "host")
    assert "selected" not in lake.ok("dumps")
    assert store.content(prefix) == files(small)
    assert lake.ok("shell", input=b"select $me as me\n") == small.ok("shell", input=b"select $me as me\n")
    lake.ok("prune", "small", "--older-than", "0d", "--keep-summaries")
    assert "were pruned" in lake.fails("path", "root ..> *")
    question = ("sql", "select type, count, size from type_stat order by type", "--format", "csv")
    assert lake.ok(*question) == small.ok(*question)
    lake.ok("prune", "small", "--older-than", "0d")
    assert json.loads(lake.ok("dumps", "--format", "json")) == []
    assert b"removed" in store.content(prefix)["dumps/small.json"]


def test_tags_of_many_who_tag_at_once(small, url, store, tmp_path):
    lakes = [StoreLake(url, store.endpoint, tmp_path / f"cache-{n}") for n in range(8)]
    running = [lake.start("tag", "small", f"k{n}=v{n}") for n, lake in enumerate(lakes)]
    outcomes = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 8, outcomes
    [dump] = json.loads(lakes[0].ok("dumps", "--format", "json"))
    assert {f"k{n}" for n in range(8)} <= set(dump["tags"]), dump["tags"]


def test_a_store_that_is_away(small, url, store, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    lake.ok("info")
    assert "is not a lake" in StoreLake(url + "/x", store.endpoint, tmp_path / "cache").fails("info")


@pytest.mark.skipif(sys.platform != "linux", reason="captures from outside")
def test_a_capture_goes_there(url, store, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    program = "import sys; kept = ['evidence']; print('ready', flush=True); sys.stdin.read()"
    python = shutil.which("python3")
    process = subprocess.Popen([python, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    try:
        assert process.stdout.readline() == b"ready\n"
        arguments = ("capture", "python", "--pid", process.pid, "-o", tmp_path / "x.dump", "--import-to", url, "--dump", "x")
        result = lake.run(*arguments)
        if b"ptrace" in result.stderr or b"not permitted" in result.stderr:
            pytest.skip("may not look into other processes")
        assert result.returncode == 0, result.stderr
        assert lake.ok("sql", "select count(*) from obj where value = 'evidence'", "--format", "csv").split()[1] == "1"
        # Before anything is captured.
        assert "has another dump x already" in lake.fails(*arguments[:5], tmp_path / "y.dump", *arguments[6:])
        assert not (tmp_path / "y.dump").exists()
    finally:
        process.kill()
        process.communicate()
