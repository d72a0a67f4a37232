"""path --merge, --clusters and the functions behind them: trees and clusters of paths against the paths themselves."""

import json
import xml.etree.ElementTree as ET

import pytest

PATTERNS = [
    "root ..> CombinedSystem",
    "root ..> (x: LmsModuleSystem) PER x",
    "SHORTEST 3 root ..> (x: CombinedSystem WHERE size > 0) PER x LIMIT 40",
    "ALL SHORTEST root ..> (x: CombinedSystem) PER x LIMIT 60",
    "(x: CombinedSystem) <- dict <- * PER x",
]


def rows(lake, query):
    return json.loads(lake.ok("sql", "--format", "json", "--dump", "py38-3", query))


def paths(lake, pattern):
    """The hops of each path."""
    found = {}
    for row in rows(lake, f"select * from path_nodes('{pattern}') order by path_id, hop"):
        found.setdefault(row["path_id"], []).append(row)
    return list(found.values())


def merged(found, merge):
    """By the way to a branch: its objects, the paths through it, those that end there, their bytes."""
    branches = {}
    for path in found:
        asked = next((hop for hop in path if hop.get("variable") == "x"), path[-1])
        way = ()
        for i, hop in enumerate(path):
            way += ((hop.get("arrow"), hop["address"] if merge == "object" else hop["type"]),)
            branch = branches.setdefault(way, [set(), 0, 0, 0])
            branch[0].add(hop["address"])
            branch[1] += 1
            branch[2] += i == len(path) - 1
            branch[3] += asked["size"]
    return {way: (len(objects), *numbers) for way, (objects, *numbers) in branches.items()}


@pytest.mark.parametrize("merge", ["type", "object"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_tree_has_the_paths(edx_lake, pattern, merge):
    each = pattern if "PER" in pattern else "root ..> (x: CombinedSystem) PER x"
    expected = merged(paths(edx_lake, each), merge)
    tree = rows(edx_lake, f"select * from path_tree('{pattern}', '{merge}') order by line")
    ways, found = [], {}
    for i, row in enumerate(tree):
        assert row["line"] == i
        above = row.get("above")
        assert (above is None) == (row["depth"] == 0)
        way = () if above is None else ways[above]
        assert len(way) == row["depth"]
        way += ((row.get("arrow"), row["example"] if merge == "object" else row["type"]),)
        ways.append(way)
        found[way] = (row["objects"], row["paths"], row["ends"], row["size"])
        assert (row.get("address") is None) == (row["objects"] > 1)
    assert len(found) == len(tree) > 1
    assert found == expected


def test_joins_give_the_same_tree(edx_lake):
    args = ["path", "root ..> CombinedSystem", "--merge", "type", "--dump", "py38-3", "--format", "csv"]
    assert edx_lake.ok(*args) == edx_lake.ok(*args, "--plan", "join")


def test_a_branch_comes_before_what_less_paths_take(edx_lake):
    tree = rows(edx_lake, "select * from path_tree('root ..> dict') order by line")
    last = {}
    for row in tree:
        above = row.get("above")
        assert row["paths"] <= last.get(above, row["paths"])
        last[above] = row["paths"]
        below = sum(other["paths"] for other in tree if other.get("above") == row["line"])
        assert row["paths"] == row["ends"] + below
        if len(last) > 200:
            break


def test_people_read_shares(edx_lake, tmp_path):
    picture = tmp_path / "paths.svg"
    args = ["--merge", "type", "--dump", "py38-3"]
    text = edx_lake.ok("path", "root ..> CombinedSystem", *args, "--chart", picture)
    total = rows(edx_lake, "select sum(paths) as n from path_tree('root ..> CombinedSystem') where depth = 0")[0]["n"]
    lines = text.splitlines()
    assert lines[0].startswith(f"{total:,} paths to ")
    assert len(lines) < 30 and f" of {total:,}: " in lines[1]
    root = ET.fromstring(picture.read_text())
    titles = ["".join(title.itertext()) for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(f"of {total:,} paths" in title for title in titles)


def clustered(found):
    """By last object in common (None: none): the paths of the cluster, and the bytes of what they are asked for."""
    asked = {}
    for path in found:
        at = next((i for i, hop in enumerate(path) if hop.get("variable") == "x"), len(path) - 1)
        asked[tuple((hop.get("arrow"), hop["address"]) for hop in path)] = path[at]["size"]
    # What another path ends at is not in common: what holds it is.
    left = {}
    for way, size in asked.items():
        end = next(n for n in range(1, len(way) + 1) if way[:n] in asked)
        paths, total = left.get(way[: end - 1], (0, 0))
        left[way[: end - 1]] = (paths + 1, total + size)
    least = max(2, -(-len(found) // 20))
    clusters = {}
    for length in range(max(map(len, left)), -1, -1):
        for way in [way for way in left if len(way) == length]:
            paths, size = left.pop(way)
            if way and paths < least:
                above, more = left.get(way[:-1], (0, 0))
                left[way[:-1]] = (above + paths, more + size)
            else:
                clusters[way] = (paths, size)
    return [(*((way[-1][1], len(way) - 1) if way else (None, None)), *numbers) for way, numbers in clusters.items()]


@pytest.mark.parametrize(
    "pattern",
    ["root ..> (x: CombinedSystem) PER x", "root ..> (x: dict) PER x", "root ..> (x: function) PER x LIMIT 500", PATTERNS[4]],
)
def test_clusters_are_of_paths_with_a_beginning_in_common(edx_lake, pattern):
    found = rows(edx_lake, f"select * from path_clusters('{pattern}') order by cluster")
    each = paths(edx_lake, pattern)

    def key(row):
        return (row[0] or 0, row[1] or 0, *row[2:])

    got = [(row.get("address"), row.get("hops"), row["paths"], row["size"]) for row in found]
    assert sorted(got, key=key) == sorted(clustered(each), key=key)
    assert [row["cluster"] for row in found] == list(range(1, len(found) + 1))
    assert all(row["asked"] == len(each) for row in found)
    named = [row["paths"] for row in found if row.get("address")]
    assert named == sorted(named, reverse=True) and all(row.get("address") for row in found[:-1])
    for row in found:
        asked = [path for path in each if row["example"] in [path[-1]["address"], *(h["address"] for h in path if h.get("variable"))]]
        assert any(row.get("address") in [None, *(hop["address"] for hop in path)] for path in asked)


def test_people_read_what_paths_have_in_common(edx_lake):
    pattern = "root ..> (x: dict) PER x"
    text = edx_lake.ok("path", pattern, "--clusters", "--dump", "py38-3")
    first = rows(edx_lake, f"select * from path_clusters('{pattern}') order by cluster")[0]
    lines = text.splitlines()
    assert lines[0].startswith(f"{first['asked']:,} paths to ")
    assert f"{first['paths']:,} of {first['asked']:,}, " in lines[1]
    args = ["path", pattern, "--clusters", "--dump", "py38-3", "--format", "csv"]
    assert edx_lake.ok(*args) == edx_lake.ok(*args, "--plan", "join")


def test_what_clusters_are_called_is_shown_as_text_and_not_too_long(lake, tmp_path):
    attack = "\x1b[2J" + "x" * 100_000
    types = ["module", f"evil {attack}", "Item"]
    objects = [{"address": 8 * (i + 1), "type": types[min(i, 2)], "size": 8, "refs": []} for i in range(40)]
    objects[0] |= {"name": "m", "refs": [16]}
    objects[1]["refs"] = [line["address"] for line in objects[2:]]
    path = tmp_path / "evil.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in objects))
    lake.load(path, "evil")
    text = lake.ok("path", "root ..> (x: Item) PER x", "--clusters")
    assert "38 of 38, 304 B: all through a evil" in text and "\x1b" not in text and len(text) < 3000


def test_mistakes_are_said(edx_lake):
    assert "nothing in common" in edx_lake.fails("path", "REACH root ..> dict", "--clusters")
    assert "no paths" in edx_lake.fails("path", "REACH root ..> dict", "--merge", "type")
    assert "by 'type' or by 'object'" in edx_lake.fails("sql", "select * from path_tree('root ..> dict', 'shape')")
    several = edx_lake.fails("path", "root ..> dict", "--merge", "type", "--dump", "*", "--format", "csv")
    assert "one dump" in several
    assert edx_lake.ok("path", "CombinedSystem -> module", "--merge", "object", "--dump", "py38-1").startswith("no path")
