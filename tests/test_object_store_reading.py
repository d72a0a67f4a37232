"""Commands ask a lake in an object store as they ask a folder, and bring what they open to this machine once."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from lake import Lake, environment
from stores import StoreLake, files, lake_at, proxy

pytest.importorskip("moto", reason="moto is not installed (tests/requirements-stores.txt)")

#: What a command needs when nothing is new: the mark of the lake, and the list of its dumps.
WARM = 2


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


UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def in_bytes(text):
    number, unit = text.split()
    return float(number.replace(",", "")) * UNITS[unit]


def is_about(found, expected):
    """As far as a number is printed."""
    return abs(found - expected) <= 0.06 * expected + 1


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


def test_every_request_of_a_command_is_counted(small, small_dump, big_dump, url, store, prefix, tmp_path):
    store.put(prefix, "raw/app.dump", small_dump.read_bytes())
    with proxy(store) as watched:
        there = StoreLake(url, watched.endpoint, tmp_path / "cache")
        here = lake_at(small.path, watched.endpoint)
        for lake, command in (
            (there, ("import", "--dump", "other", small_dump)),
            # Its tables go in parts.
            (there, ("import", "--dump", "big", big_dump)),
            (there, ("import", "--dump", "raw", f"{url}/raw/app.dump")),
            (there, ("tag", "other", "host=web3")),
            (there, ("index", "other")),
            (there, ("whatif", "other", "--cut", "size > 100", "--save", "x")),
            (there, ("layers", "--dump", "other", "--rm", "x")),
            (there, ("rm", "other")),
            (there, ("verify", "small")),
            (there, ("prune", "raw", "--older-than", "0d", "--keep-summaries")),
            (here, ("push", "--to", url)),
            (here, ("pull", url, "big")),
            (here, ("sweep", url)),
        ):
            watched.requests.clear()
            result = lake.run("--stats", *command)
            said = result.stderr.decode()
            assert result.returncode == 0, said
            found = re.search(r"([\d,]+) requests?, ([\d.,]+ \w+) received(?:, ([\d.,]+ \w+) sent)?", said)
            assert int(found[1].replace(",", "")) == len(watched.requests), (command, said)
            received = sum(request.received for request in watched.requests)
            assert is_about(in_bytes(found[2]), received), (command, said, received)
            sent = sum(request.sent for request in watched.requests)
            assert is_about(in_bytes(found[3] or "0 B"), sent), (command, said, sent)
    # What the client repeats is counted, too.
    mistakes = []

    def once(request):
        if not mistakes:
            mistakes.append(request)
            return "503"

    with proxy(store, fault=once) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        assert counted(lake, "dumps")[1] == len(watched.requests)
    assert mistakes


@pytest.fixture
def big(tmp_path, big_dump, url, store):
    """A dump in the store whose tables are not small."""
    lake = lake_at(tmp_path / "big", store.endpoint)
    lake.load(big_dump, "big")
    lake.ok("push", "--to", url)
    return lake


#: It needs one column of some.
BY_TYPE = ("sql", "select type, count(*) as n from obj group by type order by type", "--format", "csv")


def table_bytes(lake, dump, table):
    (file,) = [file for file in lake.manifest(dump)["files"] if file["table"] == table]
    return file["bytes"]


def of_table(watched, table):
    return [request for request in watched.requests if f"-{table}.parquet" in request.path]


def test_a_question_about_a_column_brings_no_others(big, url, store, tmp_path):
    n_bytes = table_bytes(big, "big", "obj")
    assert n_bytes > 1 << 20
    with proxy(store) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        assert lake.ok(*BY_TYPE) == big.ok(*BY_TYPE)
        brought = sum(request.received for request in of_table(watched, "obj"))
        assert 0 < brought < n_bytes / 2
        # What has come is here, for other processes, too.
        watched.requests.clear()
        assert lake.ok(*BY_TYPE) == big.ok(*BY_TYPE)
        assert len(watched.requests) == WARM
        # Other columns, and some rows of all.
        for question in (
            ("sql", "select sum(size), max(address) from obj", "--format", "csv"),
            ("sql", "select * from obj where address < 100000 order by address", "--format", "csv"),
            ("sql", "select count(*) as n from (select address, type from obj limit 3)", "--format", "csv"),
            ("sql", "select kind, count(*) as n from edge group by kind order by kind", "--format", "csv"),
        ):
            assert lake.ok(*question) == big.ok(*question)
        assert not [path for path in lake.cached() if path.name.endswith("-obj.parquet")]
        # A question that wants most of it takes the whole, and the parts go.
        everything = ("sql", "select * from obj order by address", "--format", "csv")
        assert lake.ok(*everything) == big.ok(*everything)
        assert [path for path in lake.cached() if path.name.endswith("-obj.parquet")]
        assert not list(lake.path.rglob("*-obj.parquet.part"))
        watched.requests.clear()
        assert lake.ok(*BY_TYPE) == big.ok(*BY_TYPE)
        assert len(watched.requests) == WARM


def test_a_footer_comes_by_one_request(big, url, store, tmp_path):
    (file,) = [file for file in big.manifest("big")["files"] if file["table"] == "obj"]
    content = (big.path / file["path"]).read_bytes()
    assert file["footer_bytes"] == int.from_bytes(content[-8:-4], "little") + 8
    with proxy(store) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        # All of the question is answered by the footer: no row group can have the type.
        assert lake.ok("sql", "select size from obj where type = '~~~'", "--format", "csv").split() == ["size"]
        assert len(of_table(watched, "obj")) == 1


@pytest.mark.parametrize("spoil", [lambda b: b[:-100], lambda b: b + b[-100:], lambda b: None])
def test_wrong_bytes_are_refused_in_parts(big, url, store, prefix, tmp_path, spoil):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    [name] = [name for name in store.objects(prefix) if name.startswith("obj/")]
    sound = store.content(prefix)[name]
    spoilt = spoil(sound)
    store.lose(prefix, name) if spoilt is None else store.put(prefix, name, spoilt)
    message = lake.fails(*BY_TYPE)
    assert f"{url}/{name}" in message and ("missing" if spoilt is None else "bytes, not") in message, message
    store.put(prefix, name, sound)
    assert lake.ok(*BY_TYPE) == big.ok(*BY_TYPE)


def test_blocks_that_are_spoilt_here_are_brought_again(big, url, store, tmp_path):
    with proxy(store) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        expected = lake.ok(*BY_TYPE)
        [part] = lake.path.rglob("*-obj.parquet.part")
        good = part.read_bytes()
        for bad in (bytes(len(good)), good[: len(good) // 2], b"", bytes(byte ^ 1 for byte in good)):
            part.write_bytes(bad)
            watched.requests.clear()
            assert lake.ok(*BY_TYPE) == expected
            assert of_table(watched, "obj")
            watched.requests.clear()
            assert lake.ok(*BY_TYPE) == expected
            assert len(watched.requests) == WARM


def test_a_dump_that_is_removed_between_two_parts(big, url, store, prefix, tmp_path):
    remover = StoreLake(url, store.endpoint, tmp_path / "other")
    removed = []

    def remove(request):
        # The footer has come.
        if "/obj/" in request.path and request.method == "GET":
            removed.append(request)
            if len(removed) == 2:
                remover.ok("rm", "big")
                for name in [name for name in store.objects(prefix) if "dump=big" in name]:
                    store.lose(prefix, name)

    with proxy(store, before=remove) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        message = lake.fails(*BY_TYPE)
    assert len(removed) >= 2 and "removed or replaced meanwhile" in message, message


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
            lake.ok(*command)
        store.lose(prefix, key)
    assert {path.name for path in (tmp_path / "inside").iterdir()} == {"cache"}
    assert not list(tmp_path.rglob("evil*"))


#: Names that no file of a lake has; the first ones cannot even be paths.
FOREIGN = ["dumps/../x.json", "dumps//x.json", "dumps/a/./b", "dumps/a\nb.json", "dumps/notes.txt", "dumps/deep/x.json", "dumps/Ä.json"]


def test_foreign_objects_are_reported_and_left_out(small, url, store, prefix, tmp_path):
    for name in (*FOREIGN, "dumps/", "index/../x", "obj/dump=small/../../x", "edge//x", "README.md"):
        store.put(prefix, name, b"of another program")
    here = lake_at(tmp_path / "there", store.endpoint)
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    for reader, command in (
        (lake, ("dumps",)),
        (lake, ("sql", "select count(*) from obj")),
        (lake, ("path", "root ..> *")),
        (lake, ("verify",)),
        (here, ("pull", url)),
        (here, ("sweep", url)),
    ):
        result = reader.run(*command)
        assert result.returncode == 0, result.stderr.decode()
        assert result.stderr.decode().count("not of a lake, and left out") == 1, (command, result.stderr)
    assert f"and {len(FOREIGN) - 1} others" in lake.run("dumps").stderr.decode()
    # Each is reported once, also by a shell that asks again and again: those of the list of dumps, and that of the list of indexes.
    said = lake.run("shell", input=b"dumps\ndumps\nselect 1\n").stderr.decode()
    assert [line.count("index/../x") for line in said.splitlines() if "left out" in line] == [0, 1], said
    assert files(here) == files(small)
    # They stay as they are.
    assert store.content(prefix)["dumps/../x.json"] == b"of another program"
    lake.ok("rm", "small")
    assert json.loads(lake.ok("dumps", "--format", "json")) == []


def test_what_a_statement_asked_of_the_store(small, url, store, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")

    def asked(query):
        rows = lake.ok("--quiet", "sql", "--format", "ndjson", f"explain analyze {query}").splitlines()
        (row,) = [row["plan"] for row in map(json.loads, rows) if row["plan_type"] == "Object store"]
        return tuple(int(part.split("=")[1]) for part in row.split(", "))

    (table,) = [file["bytes"] for file in json.loads(store.content(url.removeprefix("s3://heaps/"))["dumps/small.json"])["files"] if file["table"] == "obj"]
    assert asked("select sum(size) from obj") == (1, table)
    assert asked("select sum(size) from obj") == (0, 0)
    assert "Object store" not in small.ok("sql", "explain analyze select sum(size) from obj")
    assert "Object store" not in lake.ok("sql", "explain select sum(size) from obj")


def test_what_would_change_it_says_so(small, url, store, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    before = store.content(url.removeprefix("s3://heaps/"))
    for command in (
        ("suspects", "--ignore", "x"),
        ("push", "--to", url),
        ("pull", url),
        ("demo",),
    ):
        message = lake.fails(*command)
        assert "is in an object store" in message and "pull" in message, command
    result = lake.run("shell", input=b"whatif --cut dict --save x\nselect count(*) from obj\n")
    assert result.stderr.decode().count("is in an object store") == 1
    assert "1,000" in result.stdout.decode() or "1000" in result.stdout.decode()
    assert store.content(url.removeprefix("s3://heaps/")) == before


def test_layers_and_indexes_go_there(url, store, prefix, tmp_path, edx):
    here = lake_at(tmp_path / "here", store.endpoint)
    here.ok("import", "--no-index", "--dump", "edx", edx["py38-1"])
    here.ok("push", "--to", url)
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    lake.variables["TMPDIR"] = str(tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    for where in (lake, here):
        where.ok("index", "edx")
        said = where.run("whatif", "edx", "--cut", "CombinedSystem", "--save", "less")
        assert said.returncode == 0 and b"--layer less" in said.stderr, said.stderr
        assert b"/tmp/heaplake" not in said.stderr
    assert not any((tmp_path / "tmp").iterdir())
    assert "less" in lake.ok("layers")
    top = ("top", "edx", "--layer", "less", "--format", "csv")
    assert lake.ok(*top) == here.ok(*top)
    names = {name.rpartition("/")[0] for name in store.content(prefix)}
    assert {"layers/dump=edx", "index/dump=edx"} <= names
    # What is there is all that a folder needs.
    there = lake_at(tmp_path / "there", store.endpoint)
    there.ok("pull", url)
    there.assert_sound()
    assert there.ok(*top) == here.ok(*top)
    # Again, over the one that is there.
    lake.ok("whatif", "edx", "--cut", "dict", "--save", "less")
    here.ok("whatif", "edx", "--cut", "dict", "--save", "less")
    assert lake.ok(*top) == here.ok(*top)


def test_a_layer_is_removed_there(small, url, store, prefix, tmp_path):
    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    before = store.content(prefix)
    for remove in (
        lambda: lake.ok("layers", "--dump", "small", "--rm", "x"),
        lambda: lake.ok("shell", "--dump", "small", input=b"layers --rm x\n"),
    ):
        for name, cut in (("x", "size > 100"), ("y", "size > 200")):
            lake.ok("whatif", "small", "--cut", cut, "--save", name)
            # Its index.
            lake.ok("top", "small", "--layer", name)
        assert "has no layer" in lake.fails("layers", "--dump", "small", "--rm", "z")
        assert len(store.content(prefix)) > len(before) + 2
        remove()
        assert "no layer" in lake.fails("top", "small", "--layer", "x")
        assert lake.ok("top", "small", "--layer", "y")
        lake.ok("layers", "--dump", "small", "--rm", "y")
        assert store.content(prefix) == before


def test_a_layer_is_not_saved_over_another_dump(small, url, store, prefix, tmp_path, big_dump):
    other = lake_at(tmp_path / "other", store.endpoint)
    other.load(big_dump, "small")

    def replace(request):
        # When everything was received: the first question about what is there now.
        if request.method == "HEAD" and not replaced:
            replaced.append(request.path)
            other.ok("push", "--replace", "--to", url)

    replaced = []
    with proxy(store, before=replace) as watched:
        lake = StoreLake(url, watched.endpoint, tmp_path / "cache")
        message = lake.fails("whatif", "small", "--cut", "size > 100", "--save", "x")
        assert "was replaced or removed meanwhile" in message
    assert replaced and store.content(prefix)["dumps/small.json"] == files(other)["dumps/small.json"]
    assert not any(name.startswith("layers/") for name in store.content(prefix))


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
