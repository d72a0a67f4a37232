"""Flame graphs, treemaps and charts: their figures against SQL, their files read by readers of their own, hostile names."""

import gzip
import json
import os
import re
import xml.etree.ElementTree as ET

import pytest

import test_hostile
from lake import REPOSITORY, Lake, environment

SVG = "{http://www.w3.org/2000/svg}"

#: Elements that a picture may have. A script, a style from a name, a link or an image is none of them.
ELEMENTS = {SVG + name for name in ("svg", "title", "desc", "style", "rect", "g", "text", "path", "line", "circle")}

ATTACKS = [
    "</title></svg><script>alert(1)</script>",
    "x\" onload=\"alert(1)\" y='",
    "]]><!--<![CDATA[",
    "javascript:alert(1)",
    "\u202eevil\u2066\u200b\u2028",
    "\x1b]0;owned\x07\x1b[31mred\x00\ufffe",
    "=cmd|' /C calc'!A0",
    "![x](javascript:alert(1)) `code` | **bold**",
    "a;b;c 99\nd 7",
    "&lt;b&gt; &amp;#60;",
    "..." + "N" * 1_000_000,
]
INVISIBLE = ["\u202e", "\u2066", "\u200b", "\u2028", "\x1b", "\x07", "\x00"]


@pytest.fixture(scope="session")
def hostile_pictures(tmp_path_factory):
    """A lake of two dumps whose types, names, values and attributes are attacks; the second has more of each."""
    folder = tmp_path_factory.mktemp("hostile")
    lake = Lake(folder / "lake")
    for dump, n in (("one", 1), ("two", 3)):
        objects = [{"address": 1, "type": "module", "size": 64, "name": "m", "refs": [2 + i for i in range(len(ATTACKS))]}]
        address = 1000
        for i, attack in enumerate(ATTACKS):
            children = list(range(address, address + n))
            address += n
            objects.append(
                {"address": 2 + i, "type": attack, "size": 128, "name": attack, "value": attack, "refs": children}
            )
            objects += [{"address": a, "type": attack[:1000], "size": 4096, "value": attack[:100], "refs": []} for a in children]
        file = folder / f"{dump}.dump"
        file.write_text("".join(json.dumps(o) + "\n" for o in objects))
        lake.load(file, dump)
    return lake


def svg(text):
    """The root of a picture that has nothing but shapes and texts."""
    root = ET.fromstring(text)
    for element in root.iter():
        assert element.tag in ELEMENTS, element.tag
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name or name == "style"]
    assert "prefers-color-scheme:dark" in root.find(SVG + "style").text
    assert root.find(SVG + "title").text and root.attrib["role"] == "img"
    return root


def frames(lake, *args):
    return json.loads(lake.ok("flamegraph", "--format", "json", *args))


def rows(lake, query, *args):
    return json.loads(lake.ok("sql", "--format", "json", *args, query))


def varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def fields(data):
    """The fields of a message of protocol buffers, as the specification has them."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
            assert len(value) == length
        found.append((key >> 3, value))
    return found


def packed(data):
    at, numbers = 0, []
    while at < len(data):
        number, at = varint(data, at)
        numbers.append(number - (1 << 64) if number >= 1 << 63 else number)
    return numbers


def pprof(data):
    """The samples of a profile: stack from the root down, objects, bytes."""
    message = fields(gzip.decompress(data))
    strings = [value.decode() for field, value in message if field == 6]
    assert strings[0] == ""
    kinds = [dict(fields(value)) for field, value in message if field == 1]
    assert [(strings[kind[1]], strings[kind[2]]) for kind in kinds] == [("inuse_objects", "count"), ("inuse_space", "bytes")]
    functions = {f[1]: strings[f[2]] for f in (dict(fields(value)) for field, value in message if field == 5)}
    locations = {}
    for location in (dict(fields(value)) for field, value in message if field == 4):
        locations[location[1]] = functions[dict(fields(location[4]))[1]]
    samples = []
    for sample in (dict(fields(value)) for field, value in message if field == 2):
        stack = [locations[number] for number in packed(sample[1])]
        samples.append((tuple(reversed(stack)), *packed(sample[2])))
    return samples


def speedscope(text):
    """The samples of the profiles of a file, by the name of the profile."""
    file = json.loads(text)
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    names = [frame["name"] for frame in file["shared"]["frames"]]
    profiles = {}
    for profile in file["profiles"]:
        assert profile["type"] == "sampled" and len(profile["samples"]) == len(profile["weights"])
        assert sum(profile["weights"]) == profile["endValue"] - profile["startValue"]
        stacks = [tuple(names[i] for i in sample) for sample in profile["samples"]]
        profiles[profile["name"]] = list(zip(stacks, profile["weights"]))
    return profiles


def folded(text):
    """The stacks of a file of lines."""
    found = []
    for line in text.splitlines():
        stack, value = line.rsplit(" ", 1)
        found.append((tuple(stack.split(";")), int(value)))
    return found


def test_frames_are_the_holders_of_sql(edx_lake):
    found = frames(edx_lake, "py38-2")
    holders = rows(edx_lake, "select holder, held_by, type, count, size, retained from holder_stat", "--dump", "py38-2")
    expected = {row["holder"]: row for row in holders}
    shown = [frame for frame in found if frame["kind"] == "holder"]
    assert len(shown) == len([row for row in holders if row["type"] != "..."]) > 1000
    for frame in shown:
        row = expected[frame["holder"]]
        assert (frame["own_bytes"], frame["own_objects"]) == (row["size"], row["count"])
        assert (frame["name"], frame["retained"]) == (row["type"], row["retained"])
        above = found[frame["parent"]]
        assert above.get("holder") == row["held_by"] and above["depth"] == frame["depth"] - 1
    total = rows(edx_lake, "select sum(size) as bytes, sum(count) as objects from type_stat", "--dump", "py38-2")[0]
    assert (found[0]["bytes"], found[0]["objects"]) == (total["bytes"], total["objects"])
    # Nothing is counted twice, and nothing is lost: a frame is itself and what is below it.
    below = {}
    for frame in found:
        sums = below.setdefault(frame["parent"], [0, 0])
        sums[0] += frame["bytes"]
        sums[1] += frame["objects"]
    for i, frame in enumerate(found):
        bytes_below, objects_below = below.get(i, (0, 0))
        assert frame["bytes"] == frame["own_bytes"] + bytes_below
        assert frame["objects"] == frame["own_objects"] + objects_below


@pytest.mark.parametrize("by", ["holder", "dominator"])
@pytest.mark.parametrize("limit", [["-n", "1"], ["-n", "50"], ["--min", "1"], ["--depth", "3"]])
def test_what_is_folded_is_said(edx_lake, by, limit):
    every = frames(edx_lake, "py38-2", "--by", by)
    found = frames(edx_lake, "py38-2", "--by", by, *limit)
    assert [found[0][key] for key in ("bytes", "objects")] == [every[0][key] for key in ("bytes", "objects")]
    assert sum(frame["own_bytes"] for frame in found) == found[0]["bytes"]
    kept = [frame for frame in found if frame["kind"] not in ("whole", "more")]
    more = [frame for frame in found if frame["kind"] == "more"]
    assert more and len(kept) < len([frame for frame in every if frame["kind"] not in ("whole", "more")])
    if limit[0] == "-n":
        assert len(kept) == int(limit[1])
    if limit[0] == "--min":
        assert all(frame["bytes"] >= found[0]["bytes"] / 100 for frame in kept)
    if limit[0] == "--depth":
        assert max(frame["depth"] for frame in kept) == 3
    picture = svg(edx_lake.ok("flamegraph", "py38-2", "--by", by, *limit))
    assert 'folded into "more"' in "".join(picture.find(SVG + "desc").itertext())


def test_objects_are_the_dominator_tree_of_sql(edx_lake):
    found = frames(edx_lake, "py38-2", "--by", "dominator", "--depth", "6")
    objects = {frame["address"]: frame for frame in found if frame["kind"] == "object"}
    expected = rows(edx_lake, "select address, idom, size, retained, retained_count from obj where retained > 20000", "--dump", "py38-2")
    compared = 0
    for row in expected:
        frame = objects.get(row["address"])
        if frame is None:
            continue
        compared += 1
        assert frame["bytes"] == frame["retained"] == row["retained"]
        assert (frame["own_bytes"], frame["objects"]) == (row["size"], row["retained_count"])
        above = found[frame["parent"]]
        assert above["kind"] == "whole" if row["idom"] is None else above["address"] == row["idom"]
    assert compared > 30


def test_two_dumps_are_compared(edx_lake):
    found = frames(edx_lake, "--diff", "py38-1", "py38-3")
    query = "select holder, size_before, size_after, count_before, count_after from diff('py38-1', 'py38-3', 'holder')"
    expected = {row["holder"]: row for row in rows(edx_lake, query)}
    shown = [frame for frame in found if frame["kind"] == "holder"]
    assert {frame["holder"] for frame in shown} <= set(expected) and len(shown) > 1000
    for frame in shown:
        assert frame["own_bytes"] == expected[frame["holder"]]["size_after"]
    assert found[0]["bytes_before"] == sum(row["size_before"] for row in expected.values())
    assert found[0]["objects"] == sum(row["count_after"] for row in expected.values())
    picture = edx_lake.ok("flamegraph", "--diff", "py38-1", "py38-3")
    svg(picture)
    assert 'class="p4"' in picture and "Orange: more than before" in picture


def test_objects_of_two_dumps_are_compared(edx_lake):
    found = frames(edx_lake, "--by", "dominator", "--diff", "py38-1", "py38-3", "--depth", "8")
    for dump, ending in (("py38-1", "_before"), ("py38-3", "")):
        whole = frames(edx_lake, dump, "--by", "dominator", "--depth", "2")[0]
        assert [found[0][key + ending] for key in ("bytes", "objects")] == [whole[key] for key in ("bytes", "objects")]
    # Amounts of both dumps sum up.
    for key in ("bytes", "objects", "bytes_before", "objects_before"):
        below = {}
        for frame in found[1:]:
            below[frame["parent"]] = below.get(frame["parent"], 0) + frame[key]
        assert all(total <= found[parent][key] for parent, total in below.items()), key
        assert below[0] == found[0][key]
    # An object has before what it retained there, if it stands below the same one; otherwise it has grown where it is.
    query = """
        select d.address_after as address, b.idom as idom_before, b.retained as bytes_before, b.retained_count as objects_before,
            d.address_before from diff_objects('py38-1', 'py38-3') d join "py38-1".obj b on b.address = d.address_before
        where d.address_after is not null"""
    pairs = {row["address"]: row for row in rows(edx_lake, query)}
    earlier = {}
    moved = kept = 0
    for i, frame in enumerate(found):
        if frame["kind"] != "object":
            continue
        row, above = pairs.get(frame["address"]), found[frame["parent"]]
        is_below_same = row is not None and (
            row.get("idom_before") is None if above["kind"] == "whole" else row.get("idom_before") == earlier.get(frame["parent"], -1)
        )
        if is_below_same:
            earlier[i] = row["address_before"]
            kept += 1
        else:
            moved += 1
        expected = (row["bytes_before"], row["objects_before"]) if is_below_same else (0, 0)
        assert (frame["bytes_before"], frame["objects_before"]) == expected
    assert kept > 100 and moved > 10
    assert any(frame["objects"] == 0 < frame["objects_before"] for frame in found), "something is gone"


@pytest.mark.parametrize("by", ["holder", "dominator"])
@pytest.mark.parametrize("measure", [[], ["--count"]])
@pytest.mark.parametrize("picture", ["flamegraph", "treemap"])
def test_growth_has_colours(edx_lake, picture, by, measure):
    command = [picture, "--by", by, *measure, "--diff", "py38-1", "py38-3"]
    drawn = edx_lake.ok(*command)
    svg(drawn)
    assert 'class="p4"' in drawn and "Orange: more than before" in drawn
    assert drawn == edx_lake.ok(*command)


@pytest.mark.parametrize("measure", [[], ["--count"]])
def test_other_tools_get_the_same_stacks(edx_lake, tmp_path, measure):
    found = frames(edx_lake, "py38-2", *measure)
    own, size = [], "own_objects" if measure else "own_bytes"
    for i, frame in enumerate(found):
        stack, at = [], i
        while at is not None:
            above = found[at]
            more = "(others)" if above["folded"] is None else f"({above['folded']} more)"
            stack.append(more if above["kind"] == "more" else above["name"])
            at = above["parent"]
        own.append((tuple(reversed(stack)), frame))
    expected = sorted((stack, frame[size]) for stack, frame in own if frame[size])
    escaped = [(tuple(name.replace(";", "\\x3b") for name in stack), value) for stack, value in expected]
    lines = folded(edx_lake.ok("flamegraph", "py38-2", "--format", "folded", *measure))
    assert sorted(lines) == sorted(escaped)
    profiles = speedscope(edx_lake.ok("flamegraph", "py38-2", "--format", "speedscope", *measure))
    assert sorted(profiles["py38-2: objects" if measure else "py38-2: bytes"]) == expected
    edx_lake.ok("flamegraph", "py38-2", "-o", tmp_path / "heap.pb.gz", *measure)
    samples = pprof((tmp_path / "heap.pb.gz").read_bytes())
    assert sorted(samples) == sorted((s, f["own_objects"], f["own_bytes"]) for s, f in own if f["own_objects"] or f["own_bytes"])


def test_growth_for_other_tools(edx_lake, tmp_path):
    edx_lake.ok("flamegraph", "--diff", "py38-3", "py38-1", "-o", tmp_path / "shrunk.pb.gz")
    samples = pprof((tmp_path / "shrunk.pb.gz").read_bytes())
    found = frames(edx_lake, "--diff", "py38-3", "py38-1")
    assert sum(sample[2] for sample in samples) == found[0]["bytes"] - found[0]["bytes_before"] < 0
    lines = edx_lake.ok("flamegraph", "--diff", "py38-3", "py38-1", "--format", "folded").splitlines()
    before, now = zip(*((int(n) for n in line.rsplit(" ", 2)[1:]) for line in lines))
    assert (sum(before), sum(now)) == (found[0]["bytes_before"], found[0]["bytes"])


@pytest.mark.parametrize("command", [["flamegraph"], ["flamegraph", "--by", "dominator"], ["treemap"], ["treemap", "--count"]])
def test_a_picture_is_the_same_every_time(edx_lake, command):
    first = edx_lake.ok(*command, "py38-2")
    svg(first)
    assert first == edx_lake.ok(*command, "py38-2")
    assert len(first) < 1_500_000


def test_tiles_are_as_large_as_their_bytes(edx_lake):
    """Siblings at the top of a flame graph: widths against SQL."""
    picture = svg(edx_lake.ok("flamegraph", "py38-2", "-n", "40"))
    found = [frame for frame in frames(edx_lake, "py38-2", "-n", "40")]
    groups = [group for group in picture.iter(SVG + "g") if group.find(SVG + "rect") is not None]
    widths = [float(group.find(SVG + "rect").attrib["width"]) for group in groups]
    large = [frame for frame in found if frame["bytes"] / found[0]["bytes"] * widths[0] >= 0.4]
    assert len(large) == len(widths) > 30
    for frame, width in zip(large, widths):
        assert abs(width - widths[0] * frame["bytes"] / found[0]["bytes"]) < 0.02


def test_charts(edx_lake, tmp_path):
    lines, areas, bars = (tmp_path / name for name in ("lines.svg", "areas.svg", "bars.svg"))
    edx_lake.ok("trend", "py38-*", "--chart", lines, "-n", "5")
    picture = svg(lines.read_text())
    top = rows(edx_lake, "select * from trend('py38-*', 'type', 'size') where shape <> 'flat' order by rank limit 5")
    titles = ["".join(title.itertext()) for title in picture.iter(SVG + "title")]
    for row in top:
        assert f"{row['type']}: {row['shape']}" in titles
    assert len(picture.findall(f".//{SVG}circle")) == 5 * 3
    edx_lake.ok("trend", "py38-*", "--chart", areas, "--stacked")
    assert re.search(r"[\d,]+ types more", areas.read_text())
    svg(areas.read_text())
    edx_lake.ok("diff", "py38-1", "py38-3", "--by", "holder", "--chart", bars)
    svg(bars.read_text())
    message = edx_lake.fails("trend", "py38-*", "--by", "holder", "--chart", areas, "--stacked")
    assert "do not add up" in message
    assert "--by" in edx_lake.fails("diff", "py38-1", "py38-3", "--by", "object", "--chart", bars)


COMMANDS = [
    ["flamegraph", "two"],
    ["flamegraph", "two", "--by", "dominator"],
    ["flamegraph", "--diff", "one", "two"],
    ["treemap", "two"],
    ["treemap", "two", "--by", "dominator"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_names_are_texts_in_pictures(hostile_pictures, command):
    picture = hostile_pictures.ok(*command)
    root = svg(picture)
    text = "".join(root.itertext())
    assert "<script>alert(1)</script>" in text and "onload=" in text and "\\u{202e}evil" in text
    assert [c for c in INVISIBLE if c in picture] == []
    assert len(picture) < 500_000


@pytest.mark.parametrize("by", ["type", "holder"])
def test_hostile_names_are_texts_in_charts(hostile_pictures, tmp_path, by):
    for command in (["trend", "*", "--by", by, "-n", "50"], ["diff", "one", "two", "--by", by, "-n", "50"]):
        hostile_pictures.ok(*command, "--chart", tmp_path / "chart.svg")
        picture = (tmp_path / "chart.svg").read_text()
        text = "".join(svg(picture).itertext())
        assert "<script>alert(1)</script>" in text and "\\u{202e}evil" in text
        assert [c for c in INVISIBLE if c in picture] == []
        assert len(picture) < 500_000


@pytest.mark.parametrize("by", ["holder", "dominator"])
def test_hostile_names_are_texts_for_other_tools(hostile_pictures, tmp_path, by):
    found = frames(hostile_pictures, "two", "--by", by)
    lines = hostile_pictures.ok("flamegraph", "two", "--by", by, "--format", "folded")
    assert [c for c in INVISIBLE if c in lines] == []
    assert sum(value for _, value in folded(lines)) == found[0]["bytes"]
    # As many parts as levels: no name has made another frame.
    assert {len(stack) for stack, _ in folded(lines)} <= {frame["depth"] + 1 for frame in found}
    profiles = speedscope(hostile_pictures.ok("flamegraph", "two", "--by", by, "--format", "speedscope"))
    assert sum(weight for _, weight in profiles["two: bytes"]) == found[0]["bytes"]
    hostile_pictures.ok("flamegraph", "two", "--by", by, "-o", tmp_path / "heap.pb.gz")
    samples = pprof((tmp_path / "heap.pb.gz").read_bytes())
    assert sum(sample[2] for sample in samples) == found[0]["bytes"]
    names = {name for stack, *_ in samples for name in stack}
    assert any("<script>" in name for name in names) and any("\u202eevil" in name for name in names)


def test_mistakes_are_said(edx_lake, lake, tmp_path):
    assert "names no format" in edx_lake.fails("flamegraph", "-o", tmp_path / "heap.png")
    assert "names no format" in edx_lake.fails("treemap", "-o", tmp_path / "heap.png")
    assert "a treemap is" in edx_lake.fails("treemap", "-o", tmp_path / "heap.folded")
    assert "names no format" in edx_lake.fails("trend", "--chart", tmp_path / "heap.png")
    assert "0 to 100" in edx_lake.fails("flamegraph", "--min", "101")
    assert "nowhere" in edx_lake.fails("flamegraph", "nowhere")
    file = tmp_path / "a.dump"
    file.write_text('{"address": 1, "type": "a", "size": 8, "refs": []}\n')
    lake.load(file, "a", "--no-index")
    assert "holder_stat" in lake.fails("flamegraph")
    lake.load(file, "b")
    assert "what objects retain" in lake.fails("flamegraph", "--by", "dominator", "--diff", "a", "b")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("holders.svg", ["flamegraph", "py38-2", "-n", "300", "--min", "0.1"]),
        ("grew.svg", ["flamegraph", "--diff", "py38-1", "py38-3", "-n", "200", "--min", "0.2"]),
        ("treemap.svg", ["treemap", "py38-2", "-n", "300", "--min", "0.1", "--depth", "5"]),
    ],
)
def test_the_pictures_of_the_documentation_are_true(edx_lake, name, command):
    """HEAPLAKE_BLESS=1 draws them anew."""
    file = REPOSITORY / "docs/pictures" / name
    drawn = edx_lake.ok(*command)
    svg(drawn)
    if os.environ.get("HEAPLAKE_BLESS"):
        file.write_text(drawn)
    assert file.read_text() == drawn


def test_sparklines_on_a_terminal(edx_lake, monkeypatch):
    commands = [["trend", "--by", "type", "--full"], ["trend", "--by", "holder"]]
    for command in commands:
        assert re.search("[▁▂▃▄▅▆▇█]{3}", test_hostile.on_terminal(edx_lake, *command)), command
    for plain in ({"LC_ALL": "C"}, {"TERM": "dumb"}):
        monkeypatch.setattr(test_hostile, "environment", lambda plain=plain: environment() | plain)
        for command in commands:
            assert not re.search("[▁▂▃▄▅▆▇█]", test_hostile.on_terminal(edx_lake, *command)), (command, plain)


def test_bars_on_a_terminal(edx_lake, monkeypatch):
    for command in (["dumps", "--full"], ["tree", "py38-2"]):
        assert not re.search("[▏▎▍▌▋▊▉█]", edx_lake.ok(*command)), "a pipe gets no bars"
        assert re.search("[▏▎▍▌▋▊▉█]", test_hostile.on_terminal(edx_lake, *command)), command
    shown = test_hostile.on_terminal(edx_lake, "tree", "py38-2", "--depth", "0")
    shares = [float(share) for share in re.findall(r"([\d.]+) %", shown)]
    bars = [len(re.match(r"[▏▎▍▌▋▊▉█]*", line).group()) for line in shown.splitlines() if "%" in line]
    assert shares[0] > 20 and bars[0] == max(bars) > min(bars)
    monkeypatch.setattr(test_hostile, "environment", lambda: environment() | {"LC_ALL": "C"})
    for command in (["dumps", "--full"], ["tree", "py38-2"]):
        assert not re.search("[▏▎▍▌▋▊▉█]", test_hostile.on_terminal(edx_lake, *command)), "nor does a terminal of ASCII"
