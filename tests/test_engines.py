"""Other engines read the lake: the examples of docs/engines.md give heaplake's answer, and so do paths as SQL.

PySpark is half a gigabyte and takes half a minute to start and to ask, so ./test does not install it. With it:
python3 -m venv spark && spark/bin/pip install pytest 'moto[server]' duckdb polars pyarrow pyspark
HEAPLAKE_BIN=target/release/heaplake spark/bin/python -m pytest -c tests/pytest.ini tests/test_engines.py
"""

import json
import os
import re
import shutil

import pytest

from lake import REPOSITORY, Lake
from stores import BUCKET, lake_at, variables
from test_path_mirror import as_emitted, ask, emit

TEXT = (REPOSITORY / "docs/engines.md").read_text()

#: The Python programs of the document, by the comment that they begin with.
PROGRAMS = {program.split("\n", 1)[0].removeprefix("# "): program for program in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)}

#: The pattern of the document.
(PATTERN,) = re.findall(r"--emit sql '(.*)' >", TEXT)

QUESTION = """
    select dump, type, count(*) as objects, sum(size) as bytes from history.obj
    group by dump, type order by bytes desc, dump, type limit 10
"""

#: Each of another shape of SQL without recursion.
PATTERNS = [
    "SHORTEST 20 LmsModuleSystem -> dict? -> CombinedSystem",
    "TYPES CombinedSystem <.. * WITHIN 4 EXCEPT module",
    "REACH CombinedSystem <.. CapaDescriptor WITHIN 4",
    "REACH LmsModuleSystem -> dict? -> CombinedSystem",
    "ALL ACYCLIC CapaDescriptor -> dict -> LmsModuleSystem -> dict -> CombinedSystem WITHIN 4",
    "SHORTEST 9 Lms* <..{1,4} /^(dict|list|tuple)$/ <- Module* EXCEPT EDGES module -> dict",
]


@pytest.fixture(scope="module")
def folder(edx, tmp_path_factory):
    """A folder with a lake of two dumps, named as in the document."""
    folder = tmp_path_factory.mktemp("engines")
    lake = Lake(folder / "lake")
    lake.load(edx["py38-3"], "monday")
    # An id that engines take for a number, unless they are told.
    lake.load(edx["py27-1"], "20151126")
    (folder / "paths.sql").write_text(emit(lake, "monday", PATTERN))
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    rows = Lake(folder / "lake").ok("sql", "--format", "ndjson", QUESTION).splitlines()
    return [tuple(json.loads(row).values()) for row in rows]


@pytest.fixture(scope="module")
def in_store(folder, store):
    """The lake in a store, with the environment for it."""
    pytest.importorskip("moto", reason="moto is not installed (tests/requirements-stores.txt)")
    lake_at(folder / "lake", store.endpoint).ok("push", "--to", f"s3://{BUCKET}/production")
    return variables(store.endpoint)


def run(title, folder, monkeypatch, environment=None):
    """The rows of a program of the document."""
    monkeypatch.chdir(folder)
    for name, value in (environment or {}).items():
        monkeypatch.setenv(name, value)
    names = {}
    exec(compile(PROGRAMS[title], f"docs/engines.md: {title}", "exec"), names)
    return [tuple(plain(value) for value in row) for row in names["rows"]]


def plain(value):
    """A number as it is elsewhere: Spark has no unsigned ones of 64 bits."""
    return value if value is None or isinstance(value, str) else int(value)


@pytest.mark.parametrize("library", ["duckdb", "polars"])
def test_a_folder(library, folder, expected, monkeypatch):
    pytest.importorskip(library)
    assert run({"duckdb": "DuckDB on a folder", "polars": "Polars on a folder"}[library], folder, monkeypatch) == expected


def test_polars_on_a_store(folder, expected, in_store, monkeypatch):
    assert run("Polars on an object store", folder, monkeypatch, in_store) == expected


def test_duckdb_on_a_store(folder, expected, in_store, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    program = PROGRAMS["DuckDB on an object store"]
    if (extension := packaged_httpfs(duckdb.__version__)) is not None:
        program = program.replace('duck.sql("INSTALL httpfs")\nduck.sql("LOAD httpfs")', f'duck.sql("LOAD \'{extension}\'")')
        monkeypatch.setitem(PROGRAMS, "DuckDB on an object store", program)
    else:
        try:
            duckdb.connect().execute("LOAD httpfs")
        except duckdb.Error:
            pytest.skip("DuckDB has no httpfs here (once and with a network: INSTALL httpfs)")
    assert run("DuckDB on an object store", folder, monkeypatch, in_store) == expected


def packaged_httpfs(version):
    """The extension as a package of PyPI has it, for the DuckDB that it was made for."""
    try:
        import duckdb_extension_httpfs
    except ImportError:
        return None
    folder = os.path.join(os.path.dirname(duckdb_extension_httpfs.__file__), "extensions", f"v{version}")
    extension = os.path.join(folder, "httpfs.duckdb_extension")
    return extension if os.path.exists(extension) else None


def test_duckdb_and_a_path(folder, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    if int(duckdb.__version__.split(".")[0]) < 2:
        pytest.skip("this DuckDB does not read BYTE_STREAM_SPLIT of whole numbers")
    rows = run("DuckDB and a path", folder, monkeypatch)
    assert sorted(rows) == as_emitted(PATTERN, ask(Lake(folder / "lake"), "monday", PATTERN, "index"))
    assert rows


@pytest.fixture(scope="module")
def spark(folder, tmp_path_factory):
    pyspark = pytest.importorskip("pyspark.sql", reason="pyspark is not installed, half a gigabyte (see this file)")
    if not shutil.which("java"):
        pytest.skip("there is no Java for Spark")
    builder = pyspark.SparkSession.builder.master("local[2]")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.parquet.enableVectorizedReader": "false",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark")),
    }.items():
        builder = builder.config(name, value)
    # Paths of Spark begin where it was started.
    before = os.getcwd()
    os.chdir(folder)
    session = builder.getOrCreate()
    os.chdir(before)
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def test_spark_on_a_folder(spark, folder, expected, monkeypatch):
    assert run("Spark on a folder", folder, monkeypatch) == expected


def test_spark_and_a_path(spark, folder, monkeypatch):
    rows = run("Spark and a path", folder, monkeypatch)
    assert sorted(rows) == as_emitted(PATTERN, ask(Lake(folder / "lake"), "monday", PATTERN, "index"))


@pytest.mark.parametrize("text", PATTERNS)
def test_spark_duckdb_and_heaplake_agree(spark, folder, text):
    import duckdb

    lake = Lake(folder / "lake")
    query = emit(lake, "monday", text)
    assert "RECURSIVE" not in query
    duck = duckdb.connect()
    for table in ("obj", "edge"):
        files = lake.path / table / "dump=monday"
        spark.read.parquet(str(files)).createOrReplaceTempView(table)
        duck.execute(f"create view {table} as select * from read_parquet('{files}/*.parquet')")
    found = [tuple(plain(value) for value in row) for row in spark.sql(query.rstrip().rstrip(";")).collect()]
    assert found, "a pattern that matches something"
    assert found == duck.execute(query).fetchall()
    answer = as_emitted(text, ask(lake, "monday", text, "index"))
    if text.startswith(("REACH", "TYPES")):
        assert (sorted(found) if text.startswith("REACH") else found) == answer
    else:
        # Of equally short paths the SQL takes those with the smallest addresses.
        assert [hops for hops, _ in found] == [hops for hops, _ in answer]


def test_spark_says_what_it_cannot(spark, folder):
    query = emit(Lake(folder / "lake"), "monday", "REACH root ..> CombinedSystem")
    assert "RECURSIVE" in query
    for table in ("obj", "edge"):
        spark.read.parquet(str(folder / "lake" / table / "dump=monday")).createOrReplaceTempView(table)
    # When this fails, Spark has learnt it, and the document is to say so.
    with pytest.raises(Exception, match="UNION_NOT_SUPPORTED_IN_RECURSIVE_CTE"):
        spark.sql(query.rstrip().rstrip(";")).collect()
