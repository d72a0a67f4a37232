"""Dumps that are tables: objects, references and roots in files of any program."""

import gzip
import json
import random

import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

OBJECTS = {
    "address": [0xC000, 0xC010, 2**64 - 1, 5],
    "type": ["main.Cart", "[]main.Line", "string", None],
    "size": [48, 24, None, 16],
    "len": [None, 2, 5, None],
    "name": [None, None, None, "nobody"],
    "value": [None, None, 'a "b",\nc', None],
}
EDGES = {
    "parent": [0xC010, 0xC000, 0xC010, 5],
    "child": [2**64 - 1, 0xC010, 77, 5],
    "idx": [1, 0, 0, 0],
    "label": ["[1]", ".lines", "[0]", None],
    "kind": ["strong", None, "soft", "weak"],
}
ROOTS = {"address": [0xC000], "kind": ["goroutine 1"]}

OBJ = [
    (0xC010, "[]main.Line", None, None, 24, 2),
    (0xC000, "main.Cart", None, None, 48, None),
    (5, "object", "nobody", None, 16, None),
    (2**64 - 1, "string", None, 'a "b",\nc', None, 5),
]
EDGE = [
    (5, 5, 0, None, "weak"),
    (0xC000, 0xC010, 0, ".lines", "strong"),
    (0xC010, 77, 0, "[0]", "soft"),
    (0xC010, 2**64 - 1, 1, "[1]", "strong"),
]
ROOT = [(5, "unreferenced"), (0xC000, "goroutine 1")]


def table(columns):
    numbers = {"address", "parent", "child"}
    signed = {"size", "len", "idx"}
    kinds = dict.fromkeys(numbers, pyarrow.uint64()) | dict.fromkeys(signed, pyarrow.int64())
    arrays = {name: pyarrow.array(values, kinds.get(name, pyarrow.string())) for name, values in columns.items()}
    return pyarrow.table(arrays)


def rows(columns):
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def parquet(path, columns):
    pyarrow.parquet.write_table(table(columns), path)


def feather(path, columns):
    pyarrow.feather.write_feather(table(columns), path, compression="uncompressed")


def csv(path, columns):
    pyarrow.csv.write_csv(table(columns), path)


def packed_csv(path, columns):
    csv(path, columns)
    path.write_bytes(gzip.compress(path.read_bytes()))


def hexadecimal(path, columns):
    """Addresses as most programs print them, columns from right to left, no column that is null throughout."""
    text = lambda row: {k: hex(v) if k in ("address", "parent", "child") else v for k, v in reversed(row.items())}
    path.write_text("".join(json.dumps(text(row)) + "\n" for row in rows(columns)))


def ndjson(path, columns):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(columns)))


def array(path, columns):
    path.write_text(json.dumps([{k: v for k, v in row.items() if v is not None} for row in rows(columns)]))


FORMS = {
    ".parquet": parquet,
    ".arrow": feather,
    ".csv": csv,
    ".csv.gz": packed_csv,
    ".ndjson": ndjson,
    ".jsonl": hexadecimal,
    ".json": array,
}


def write(folder, form, **tables):
    """Arguments of an import of tables, which are written first."""
    arguments = []
    for name, columns in tables.items():
        path = folder / f"{name}{form}"
        FORMS[form](path, columns)
        arguments += [f"--{name}", path]
    return arguments


def content(lake, dump):
    return (
        lake.sql(f"select address, type, name, value, size, len from {dump}.obj order by type, address"),
        lake.sql(f"select parent, child, idx, label, kind from {dump}.edge order by parent, idx"),
        lake.sql(f"select address, kind from {dump}.root order by address"),
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_same_from_every_kind_of_file(lake, tmp_path, form):
    arguments = write(tmp_path, form, objects=OBJECTS, edges=EDGES, roots=ROOTS)
    lake.ok("import", *arguments, "--dump", "x")
    assert content(lake, "x") == (OBJ, EDGE, ROOT)
    assert lake.sql("select count(*) from x.issue") == [(0,)]
    assert lake.ok("path", "--dump", "x", "root ..> string").count("main.Cart") == 1


def test_objects_alone_are_enough(lake, tmp_path):
    lake.ok("import", *write(tmp_path, ".csv", objects={"address": [3, 1, 2]}))
    obj, edge, root = content(lake, "objects")
    assert [row[:2] for row in obj] == [(1, "object"), (2, "object"), (3, "object")]
    assert (edge, root) == ([], [(1, "unreferenced"), (2, "unreferenced"), (3, "unreferenced")])


@pytest.mark.parametrize("source", ["meliae", "capture"])
def test_the_tables_of_a_lake_give_the_same_dump(lake, tmp_path, edx, source):
    file = edx["py38-1"] if source == "meliae" else captured(tmp_path)
    lake.load(file, "x")
    arguments = []
    for name, of in [("objects", "obj"), ("edges", "edge"), ("roots", "root")]:
        path = tmp_path / f"{of}.parquet"
        lake.ok("sql", f"select * from x.{of} order by random()", "-o", path)
        arguments += [f"--{name}", path]
    lake.ok("import", *arguments, "--format", source, "--dump", "y")
    for table in ["obj", "edge", "root", "type_stat", "holder_stat"]:
        columns = ", ".join(
            column for (column,) in lake.sql(
                "select column_name from information_schema.columns "
                f"where table_schema = 'x' and table_name = '{table}' and column_name <> 'dump'"
            )
        )
        for one, other in [("x", "y"), ("y", "x")]:
            differing = f"select {columns} from {one}.{table} except select {columns} from {other}.{table}"
            assert lake.sql(f"select count(*) from ({differing})") == [(0,)], (table, one)


def captured(folder):
    """A capture with labels, weak references and roots."""
    lines = [
        {"address": 0, "type": "heaplake capture", "size": 0, "capture": {"format": 1}, "refs": []},
        {"address": 8, "type": "frame", "size": 80, "name": "serve", "refs": [16], "labels": ["shop"],
         "root": "thread main"},
        {"address": 16, "type": "Shop", "size": 48, "refs": [24, 32], "labels": [".orders", ".last"], "weak": [1]},
        {"address": 24, "type": "list", "size": 64, "len": 1, "refs": [32], "labels": ["[0]"]},
        {"address": 32, "type": "Order", "size": 48, "refs": []},
        {"address": 40, "type": "tuple", "size": 48, "len": 1, "refs": [40], "labels": ["[0]"]},
        {"address": 1, "type": "heaplake capture", "size": 0, "end": {"objects": 5}, "refs": []},
    ]
    path = folder / "captured.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


DAMAGED = [
    ("bad_address", "objects", "address\nx1\n7\n", "'x1'", [(7,)]),
    ("bad_address", "objects", "address,type\n,A\n7,B\n-1,C\n", "nothing", [(7,)]),
    ("bad_size", "objects", "address,size\n7,-3\n", "size", [(7,)]),
    ("bad_len", "objects", "address,len\n7,9223372036854775808\n", "len", [(7,)]),
    ("bad_reference", "edges", "parent,child\n8,7\n", "no such object", [(7,)]),
    ("bad_reference", "edges", "parent,child\n,7\n", "nothing", [(7,)]),
    ("bad_reference", "edges", "parent,child\n7,seven\n", "seven", [(7,)]),
    ("bad_label", "edges", "parent,child,kind\n7,7,firm\n", "firm", [(7,)]),
    ("bad_address", "roots", "address\n7.5\n", "7.5", [(7,)]),
    ("bad_address", "roots", "address\n7\n8\n", "the root 0x8 was left out: there is no such object", [(7,)]),
    ("bad_address", "roots", "address,kind\n3,stack\n7,stack\n", "the root 0x3 was left out", [(7,)]),
]


@pytest.mark.parametrize("kind, which, text, said, kept", DAMAGED)
def test_damage_stops_an_import_or_is_an_issue(lake, tmp_path, kind, which, text, said, kept):
    files = {"objects": "address\n7\n", which: text}
    arguments = []
    for name, content in files.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(content)
        arguments += [f"--{name}", path]
    message = lake.fails("import", *arguments, "--dump", "x")
    assert said.strip("'") in message and "--on-error skip" in message, message
    assert f": {which}.csv: " in message.replace(f"{tmp_path}/", "") and "byte 0" not in message, message
    lake.ok("import", *arguments, "--dump", "x", "--on-error", "skip")
    assert lake.sql("select address from x.obj") == kept
    assert {found for (found,) in lake.sql("select kind from x.issue")} == {kind}


def test_an_object_twice_is_told(lake, tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("address,type\n7,A\n8,B\n7,A\n8,C\n")
    lake.ok("import", "--objects", path)
    assert len(lake.sql("select * from o.obj")) == 2
    kinds = sorted(lake.sql("select kind from o.issue"))
    assert kinds == [("conflicting_duplicate",), ("duplicate",)]


REFUSED = [
    ("o.csv", b"type\nA\n", "no column address; its columns are type"),
    ("o.txt", b"address\n1\n", "its name ends in none of"),
    ("o.parquet", b"address\n1\n", "o.parquet"),
    ("o.csv", b"", "o.csv"),
    ("o.csv", b"address\n", "no object"),
    ("o.json", b'[{"address": [1]}]', "whole numbers are needed"),
    ("o.ndjson", b'{"address": 1, "type": ["a"]}\n', "texts are needed"),
    ("o.ndjson", b'{"address": 1}\n{"address": ', "o.ndjson"),
]


@pytest.mark.parametrize("name, data, said", REFUSED)
def test_what_is_no_such_table_is_refused(lake, tmp_path, name, data, said):
    path = tmp_path / name
    path.write_bytes(data)
    assert said in lake.fails("import", "--objects", path)
    assert lake.ok("dumps", "--format", "csv").count("\n") <= 1


def test_arguments_that_do_not_belong_together(lake, tmp_path):
    assert "--objects" in lake.fails("import", "--edges", tmp_path / "e.csv")
    assert "cannot be used with" in lake.fails("import", "--objects", tmp_path / "o.csv", "x.json")
    assert "o.csv" in lake.fails("import", "--objects", tmp_path / "o.csv")
    assert not lake.path.exists()


def test_hostile_texts_are_escaped(lake, tmp_path):
    path = tmp_path / "o.ndjson"
    path.write_text(json.dumps({"address": "\x1b[31mred", "type": "\x1b]0;x\x07"}) + "\n")
    assert "\x1b" not in lake.fails("import", "--objects", path)


def test_more_rows_than_the_memory_holds(lake, tmp_path):
    n = 300_000
    order = list(range(1, n + 1))
    random.Random(7).shuffle(order)
    objects = {
        "address": [16 * i for i in order],
        "type": [f"T{i % 50}" for i in order],
        "size": [16] * n,
        "value": [f"value number {i} of many" for i in order],
    }
    edges = {
        "parent": [16 * i for i in order],
        "child": [16 * (i // 2) for i in order],
        "label": [f".f{i % 9}" for i in order],
    }
    arguments = write(tmp_path, ".parquet", objects=objects, edges=edges)
    peak = lake.peak("import", *arguments, "--dump", "x", "--memory-limit", "64MB", "--no-index")
    assert peak < 400 << 20, peak
    assert lake.sql("select count(*), sum(size) from x.obj") == [(n, 16 * n)]
    right = "select count(*) from x.edge where 2 * child in (parent, parent - 16)"
    assert lake.sql(right) == [(n,)]
    assert lake.sql("select count(*) from x.edge e join x.obj o on e.parent = o.address") == [(n,)]
