"""heaplake graph: drawings in DOT against the tables, and pictures by way of Graphviz."""

import json
import os
import re
import stat
import subprocess

import pytest

from lake import environment

#: A token of DOT: a quoted string, a name, or a sign.
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([\w.#-]+(?<!-))|(->|[{}\[\]=,;])', re.ASCII)


def parsed(dot):
    """Nodes and edges with their attributes, of all that is between the braces; everything has to be a statement."""
    body = dot[dot.index("{") + 1 : dot.rindex("}")]
    nodes, edges = {}, []
    position = 0
    tokens = []
    while position < len(body):
        if body[position].isspace():
            position += 1
            continue
        found = TOKEN.match(body, position)
        assert found, body[position : position + 80]
        tokens.append(found)
        position = found.end()
    statement = []
    for token in tokens:
        if token.group(3) != ";":
            statement.append(token)
            continue
        words = [t.group(1) if t.group(1) is not None else t.group(2) or t.group(3) for t in statement]
        at = words.index("[") if "[" in words else len(words)
        attributes = dict(zip(words[at + 1 :: 4], words[at + 3 :: 4]))
        if "->" in words[:at]:
            edges.append((words[0], words[2], attributes))
        elif words[0] not in ("graph", "node", "edge"):
            nodes[words[0]] = attributes
        statement = []
    assert not statement
    return nodes, edges


def name(address):
    return f"o{address:x}"


def test_a_drawing_has_what_the_tables_have(edx_lake):
    (address,) = edx_lake.sql("select address from obj where type = 'CapaDescriptor' order by address limit 1", "--dump", "py38-3")[0]
    dump = ["--dump", "py38-3"]
    nodes, edges = parsed(edx_lake.ok("graph", *dump, "--refs", "--depth", "1", "--children", "1000", address))
    children = edx_lake.sql(f"select distinct child from edge where parent = {address}", *dump)
    assert {edge[1] for edge in edges} == {name(child) for (child,) in children}
    assert set(nodes) == {name(address)} | {edge[1] for edge in edges}
    nodes, edges = parsed(edx_lake.ok("graph", *dump, "--depth", "1", "--children", "1000", address))
    parents = edx_lake.sql(f"select distinct parent from edge where child = {address}", *dump)
    assert {edge[0] for edge in edges} == {name(parent) for (parent,) in parents}


def test_what_is_left_out_is_counted(edx_lake):
    dump = ["--dump", "py38-3"]
    (address, n) = edx_lake.sql(
        "select child, count(distinct parent) n from edge group by child order by n desc, child limit 1", *dump
    )[0]
    known = edx_lake.sql(f"select count(distinct parent) from edge join obj on address = parent where child = {address}", *dump)
    nodes, edges = parsed(edx_lake.ok("graph", *dump, "--depth", "1", "--children", "3", address))
    more = [node["label"] for key, node in nodes.items() if key.startswith("p")]
    assert len(edges) == 4 and more == [f"{known[0][0] - 3:,} more"]


def test_paths_are_drawn(edx_lake):
    pattern = "SHORTEST 3 root ..> CombinedSystem"
    hops = edx_lake.sql(f"select path_id, hop, address from path('{pattern}')", "--dump", "py38-3")
    nodes, edges = parsed(edx_lake.ok("graph", "--dump", "py38-3", "--path", pattern))
    assert set(nodes) == {name(address) for _, _, address in hops}
    wanted = {(name(a[2]), name(b[2])) for a, b in zip(hops, hops[1:]) if a[0] == b[0]}
    assert {edge[:2] for edge in edges} == wanted
    assert "no paths" in edx_lake.fails("graph", "--path", "REACH dict -> *")


HOSTILE = '"];x [label="\\N\\'


def test_nothing_of_a_dump_gets_out_of_a_label(lake, tmp_path):
    dump = tmp_path / "hostile.json"
    texts = [HOSTILE, "\\", 'a"', "a\nb\x00\x1b[31m\u202e", "</text><script>", "&amp;", "\\G\\l"]
    objects = [
        {"address": 16 * (i + 1), "type": text, "size": 1, "name": text, "value": text, "refs": [16 * (i + 2)], "labels": [text]}
        for i, text in enumerate(texts)
    ]
    dump.write_text("".join(json.dumps(one) + "\n" for one in objects))
    lake.load(dump, "hostile")
    dot = lake.ok("graph", "--refs", "--depth", "9", "16")
    nodes, edges = parsed(dot)
    assert len(nodes) == len(texts) and len(edges) == len(texts) - 1
    assert all(set(node) <= {"label", "fillcolor", "penwidth"} for node in nodes.values())
    assert not any(ord(c) < 32 and c != "\n" for c in dot) and "\u202e" not in dot


def test_labels_and_weak_references_are_drawn(lake, tmp_path):
    dump = tmp_path / "small.json"
    objects = [
        {"address": 16, "type": "Shop", "size": 1, "refs": [32, 48], "labels": [".cart", "['b']"]},
        {"address": 32, "type": "list", "size": 1, "refs": [48], "labels": ["[0]"]},
        {"address": 48, "type": "Item", "size": 1, "refs": []},
        {"address": 64, "type": "weakref", "size": 1, "refs": [48]},
    ]
    dump.write_text("".join(json.dumps(one) + "\n" for one in objects))
    lake.load(dump, "small")
    nodes, edges = parsed(lake.ok("graph", "48"))
    found = {(a, b): attributes for a, b, attributes in edges}
    assert found[("o20", "o30")] == {"label": "[0]"} and found[("o10", "o20")] == {"label": ".cart"}
    assert found[("o40", "o30")] == {"style": "dotted"}
    assert nodes["o30"]["fillcolor"] == "#f6b8b0" and nodes["o10"]["penwidth"] == "2.5"


def test_pictures_are_drawn_by_graphviz(lake, edx, tmp_path):
    lake.load(edx["py38-1"], "one")
    command = lake.command("graph", "type = 'ModuleStore'", "-o", tmp_path / "x.svg")
    empty = tmp_path / "empty"
    empty.mkdir()
    result = subprocess.run(command, env=environment() | {"PATH": str(empty)}, capture_output=True)
    assert result.returncode == 2 and b"install graphviz" in result.stderr and not (tmp_path / "x.svg").exists()
    # A program of that name that says what it was given.
    fake = empty / "dot"
    fake.write_text("#!/bin/sh\necho \"<svg>$1</svg>\"; /bin/cat > " + str(tmp_path / "given"))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    result = subprocess.run(command, env=environment() | {"PATH": str(empty)}, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    assert (tmp_path / "x.svg").read_text() == "<svg>-Tsvg</svg>\n"
    assert parsed((tmp_path / "given").read_text())[0]
    fake.write_text("#!/bin/sh\necho broken >&2; exit 3")
    result = subprocess.run(command[:-1] + [str(tmp_path / "y.png")], env=environment() | {"PATH": str(empty)}, capture_output=True)
    assert result.returncode == 2 and b"dot has failed: broken" in result.stderr and not (tmp_path / "y.png").exists()


@pytest.mark.skipif(not any(os.access(f"{p}/dot", os.X_OK) for p in os.environ["PATH"].split(":")), reason="Graphviz is not installed")
def test_graphviz_takes_the_drawing(edx_lake, tmp_path):
    edx_lake.ok("graph", "--dump", "py38-3", "type = 'ModuleStore'", "-o", tmp_path / "x.svg")
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_mistakes_are_told(edx_lake):
    assert "no such object" in edx_lake.fails("graph", "12345")
    assert "names no format" in edx_lake.fails("graph", "1", "-o", "x.jpg")
    assert "more than 200 objects" in edx_lake.fails("graph", "type = 'dict'")
