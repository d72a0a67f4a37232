"""Imports from object stores, and imports by workers."""

import threading

from cluster import free_port, needs_cluster, with_variables, workers
from lake import Lake
from stores import BUCKET, SECRET, StoreLake, lake_at


def test_objects_are_imported_as_files_are(store, prefix, tmp_path, edx, big_dump):
    """From a store: packed, larger than a part, and in a format that is read twice."""
    files = {"one.dump.gz": edx["py38-1"], "two.dump.gz": edx["py38-3"], "big.dump": big_dump}
    for name, file in files.items():
        store.put(prefix, f"raw/{name}", file.read_bytes())
    alone, remote = Lake(tmp_path / "alone"), lake_at(tmp_path / "remote", store.endpoint)
    for name, file in files.items():
        alone.load(file, name.split(".")[0])
    remote.ok("import", f"s3://{BUCKET}/{prefix}/raw/*.dump.gz", f"s3://{BUCKET}/{prefix}/raw/big.dump")
    assert sorted(remote.dumps()) == sorted(alone.dumps())
    for dump in alone.dumps():
        for key in ("sha256", "bytes", "compression"):
            assert remote.manifest(dump)["source"][key] == alone.manifest(dump)["source"][key]
        assert remote.manifest(dump)["counts"] == alone.manifest(dump)["counts"]


def test_objects_that_are_not_there(store, prefix, tmp_path):
    lake = lake_at(tmp_path / "lake", store.endpoint)
    store.put(prefix, "raw/a.txt", b"nothing")
    for address in ["raw/none.dump", "raw/*.dump", "none/*"]:
        message = lake.fails("import", f"s3://{BUCKET}/{prefix}/{address}")
        assert "it is missing" in message and SECRET not in message
    assert "names no object" in lake.fails("import", f"s3://{BUCKET}/{prefix}/")
    assert not lake.path.exists()
    assert "dump" in lake.fails("import", f"s3://{BUCKET}/{prefix}/raw/a.txt")


def moments(edx, folder, n):
    """Files of real dumps under new names."""
    folder.mkdir()
    files = []
    for i in range(n):
        file = folder / f"m{i}.dump.gz"
        file.write_bytes(edx["py38-1" if i % 2 else "py27-1"].read_bytes())
        files.append(file)
    return files


@needs_cluster()
def test_workers_import(edx, tmp_path):
    files = moments(edx, tmp_path / "raw", 4)
    alone, spread = Lake(tmp_path / "alone"), Lake(tmp_path / "lake")
    alone.ok("import", *files)
    # A worker needs a lake, and the first import makes one.
    spread.load(files[0], "first")
    with workers(spread, 2, "--import-from", tmp_path / "raw") as (_, variables):
        asked = with_variables(spread, variables)
        result = asked.run("import", "--tag", "host=web 1", "--taken", "2026-01-02T03:04:05Z", *files)
        assert result.returncode == 0, result.stderr.decode()
        assert sorted(spread.dumps()) == ["first", "m0", "m1", "m2", "m3"]
        for file in files:
            dump = file.name.split(".")[0]
            assert f"{dump}: " in result.stderr.decode()
            assert spread.manifest(dump)["counts"] == alone.manifest(dump)["counts"]
            assert spread.manifest(dump)["tags"] == {"host": "web 1"}
            assert spread.manifest(dump)["taken"].startswith("2026-01-02T03:04:05")
        spread.ok("verify")
        # A name that is in use, and a file that holds no dump: the others are imported.
        (tmp_path / "raw" / "bad.dump").write_text("no dump\n")
        (tmp_path / "raw" / "m9.dump.gz").write_bytes(files[0].read_bytes())
        result = asked.run("import", files[0], tmp_path / "raw" / "bad.dump", tmp_path / "raw" / "m9.dump.gz")
        said = result.stderr.decode()
        assert result.returncode == 2 and "m9: " in said and "1 of 3 files imported" in said, said
        assert said.count("error: ") == 2 and "m0" in said and "bad.dump" in said, said
        asked.ok("import", "--replace", files[0])


@needs_cluster()
def test_a_worker_imports_only_from_where_it_may(edx, tmp_path):
    files = moments(edx, tmp_path / "raw", 1)
    secret = tmp_path / "secret.dump.gz"
    secret.write_bytes(files[0].read_bytes())
    (tmp_path / "raw" / "link.dump.gz").symlink_to(secret)
    lake = Lake(tmp_path / "lake")
    lake.load(files[0], "first")
    with workers(lake, 1) as (_, variables):
        assert "--import-from" in with_variables(lake, variables).fails("import", files[0])
    with workers(lake, 1, "--import-from", tmp_path / "raw", "--import-from", "s3://bucket/raw") as (_, variables):
        asked = with_variables(lake, variables)
        for other in [secret, tmp_path / "raw/../secret.dump.gz", tmp_path / "raw/link.dump.gz", tmp_path / "raw/none"]:
            assert "--import-from" in asked.fails("import", "--dump", "x", other)
        assert "standard input is on this machine" in asked.fails("import", "--dump", "x", "-")
        assert lake.dumps() == ["first"]
        # A link within is followed once, and what it leads to is what is imported.
        inner = tmp_path / "raw" / "inner.dump.gz"
        inner.symlink_to(files[0].name)
        asked.ok("import", "--dump", "inner", inner)
    assert sorted(lake.dumps()) == ["first", "inner"]
    assert lake.manifest("inner")["source"]["file"] == str(files[0].resolve())


@needs_cluster()
def test_imports_of_a_worker_that_is_killed(big_dump, small_dump, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    files = []
    for i in range(6):
        files.append(raw / f"m{i}.dump")
        files[-1].write_bytes(big_dump.read_bytes())
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump, "first")
    with workers(lake, 2, "--import-from", raw) as (running, variables):
        asked = with_variables(lake, variables).start("import", *files)
        killer = threading.Timer(1.0, running[0].kill)
        killer.start()
        _, said = asked.communicate(timeout=300)
        killer.join()
    assert asked.returncode == 0, said.decode()
    assert f"worker {running[0].address}" in said.decode(), said.decode()
    assert sorted(lake.dumps()) == ["first", *(f"m{i}" for i in range(6))]
    # What the lost import has left goes with the next one.
    lake.load(small_dump, "last")
    lake.ok("verify")
    assert lake.junk() == set()


@needs_cluster()
def test_no_worker_is_left(edx, tmp_path):
    files = moments(edx, tmp_path / "raw", 2)
    lake = Lake(tmp_path / "lake")
    lake.load(files[0], "first")
    message = with_variables(lake, {"HEAPLAKE_CLUSTER": f"127.0.0.1:{free_port()}"}).fails("import", *files)
    assert "no worker is left; 2 dumps not imported" in message


@needs_cluster()
def test_workers_import_from_a_store_into_a_store(store, prefix, url, edx, tmp_path):
    for i in range(3):
        store.put(prefix + "-raw", f"m{i}.dump.gz", edx["py38-1"].read_bytes())
    here = lake_at(tmp_path / "lake", store.endpoint)
    here.load(edx["py38-1"], "first")
    here.ok("push", "--to", url)

    lake = StoreLake(url, store.endpoint, tmp_path / "cache")
    with workers(lake, 2, "--import-from", f"s3://{BUCKET}/{prefix}-raw") as (_, variables):
        remote = with_variables(lake, variables)
        remote.ok("import", f"s3://{BUCKET}/{prefix}-raw/*.gz")
        assert sorted(remote.dumps()) == ["first", "m0", "m1", "m2"]
        expected = remote.sql("select count(*) from first.obj")
        assert remote.sql("select count(*) from m2.obj") == expected
