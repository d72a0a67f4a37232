"""Label patterns, on a dump whose edges were given labels.

No format that is read yet says labels, so the file of `edge` is written anew with some, and the manifest is told its
length. The heap: root r refers to a (.first), b (.second) and again to b (['k-1']); a to b (.first), b to a ([0])."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEAP = """\
{"address": 16, "type": "module", "size": 1, "refs": [32, 48, 48]}
{"address": 32, "type": "A", "size": 1, "refs": [48]}
{"address": 48, "type": "B", "size": 1, "refs": [32]}
"""
LABELS = [".first", ".second", "['k-1']", ".first", "[0]"]


@pytest.fixture
def labelled(lake, tmp_path):
    file = tmp_path / "heap.dump"
    file.write_text(HEAP)
    lake.load(file, "heap")
    [edges] = (lake.path / "edge" / "dump=heap").glob("*.parquet")
    table = pq.ParquetFile(edges).read()
    column = table.schema.get_field_index("label")
    labels = pa.array(LABELS, table.schema.field("label").type)
    pq.write_table(table.set_column(column, table.schema.field("label"), labels), edges, compression="zstd")
    manifest = lake.path / "dumps" / "heap.json"
    content = json.loads(manifest.read_text())
    for entry in content["files"]:
        if entry["path"].endswith(edges.name):
            entry["bytes"] = edges.stat().st_size
    manifest.write_text(json.dumps(content))
    return lake


@pytest.mark.parametrize("plan", ["index", "join"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("module -.first-> *", [(16, None), (32, ".first")]),
        ("module -.second-> *", [(16, None), (48, ".second")]),
        ("module -['k-1']-> *", [(16, None), (48, "['k-1']")]),
        ("module -/^.k/-> *", []),
        ("module -/k-1/-> *", [(16, None), (48, "['k-1']")]),
        ("module -.s*-> *", [(16, None), (48, ".second")]),
        ("module -.none|['k-1']-> *", [(16, None), (48, "['k-1']")]),
        ("A <-.first- *", [(32, None), (16, ".first")]),
        ("A <-[0]- *", [(32, None), (48, "[0]")]),
        ("module -> B", [(16, None), (48, ".second")]),
        ("module -> B EXCEPT EDGES -.second->", [(16, None), (48, "['k-1']")]),
        ("module ..> B EXCEPT EDGES -.second->, module -['k-1']-> B", [(16, None), (32, ".first"), (48, ".first")]),
        ("module (-.first->)+ B", [(16, None), (32, ".first"), (48, ".first")]),
        ("module ..> B EXCEPT EDGES (WHERE label like '%first' or label like '%second')", [(16, None), (48, "['k-1']")]),
    ],
)
def test_hops_go_by_their_labels(labelled, plan, pattern, expected):
    query = f"select address, label from path('{pattern.replace(chr(39), chr(39) * 2)}') order by hop"
    assert labelled.sql(query, "--plan", plan) == expected


def test_labels_are_shown(labelled):
    shown = labelled.ok("path", "--format", "table", "module -['k-1']-> B")
    assert "-['k-1']-> B" in shown
