"""The report: its figures are those of the commands, nothing in it runs or leaves, and people can use it."""

import json
import re
import subprocess

import pytest

import hostile
from lake import BINARY, REPOSITORY, Lake, environment

SCHEMA = json.loads((REPOSITORY / "docs/report.schema.json").read_text())
SECTIONS = [
    "verdict", "content", "memory", "growth", "holders", "biggest", "paths", "chains", "waste", "threads", "garbage",
    "issues", "made",
]  # fmt: skip


@pytest.fixture(scope="session")
def series_lake(edx, tmp_path_factory):
    """Three real dumps of one program that leaks, an hour apart. Only read it."""
    lake = Lake(tmp_path_factory.mktemp("series") / "lake")
    for n in (1, 2, 3):
        lake.load(edx[f"py38-{n}"], f"edx-{n}", "--taken", f"2015-11-22T1{n}:00:00Z", "--tag", "service=edx")
    return lake


def report(lake, *args):
    return json.loads(lake.ok("report", "--format", "json", *args))


def parts(data):
    return {part["id"]: part for section in data["sections"] for part in section["parts"]}


def valid(value, schema, at="report"):
    """Checks a value against the part of JSON Schema that the report's schema uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in schema:
        failures = []
        for one in schema["oneOf"]:
            try:
                return valid(value, one, at)
            except AssertionError as failure:
                failures.append(str(failure))
        raise AssertionError(f"{at}: {failures}")
    if "const" in schema:
        assert value == schema["const"], at
    if "enum" in schema:
        assert value in schema["enum"], f"{at}: {value}"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    allowed = schema.get("type", [])
    allowed = [allowed] if isinstance(allowed, str) else allowed
    if allowed:
        fits = [
            kind
            for kind in allowed
            if (value is None if kind == "null" else isinstance(value, kinds[kind]) and (kind == "boolean") == isinstance(value, bool))
        ]
        assert fits, f"{at}: {value!r} is not {allowed}"
    if isinstance(value, dict) and "properties" in schema:
        missing = set(schema.get("required", [])) - set(value)
        assert not missing, f"{at}: without {missing}"
        if schema.get("additionalProperties") is False:
            unknown = set(value) - set(schema["properties"])
            assert not unknown, f"{at}: {unknown} is not in the schema"
        for key, item in value.items():
            if key in schema["properties"]:
                valid(item, schema["properties"][key], f"{at}.{key}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            valid(item, schema["items"], f"{at}[{i}]")


def run_shell(lake, command):
    """Runs a command as a person would who copied it."""
    assert command.startswith("heaplake "), command
    env = environment() | {"PATH": f"{BINARY.parent}:{environment()['PATH']}"}
    result = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    return result.stdout


def comparable(value, kind):
    """A value of `--format json` as the report has it."""
    if value is None:
        return None
    if kind == "address":
        return f"@{value:#x}"
    if kind == "time":
        return re.sub(r"(\.\d+)?Z$", "Z", value)
    if kind == "text":
        text = value if isinstance(value, str) else json.dumps(value)
        return text if len(text) <= 240 else text[:240]
    return value


def compare(part, rows):
    table = part["content"]
    names = [column["name"] for column in table["columns"]]
    kinds = [column["kind"] for column in table["columns"]]
    assert len(rows) == table["total"], part["title"]
    for ours, theirs in zip(table["rows"], rows):
        assert list(theirs) == names
        for value, name, kind in zip(ours, names, kinds):
            if name == "tags":
                continue
            wanted = comparable(theirs[name], kind)
            if kind == "text" and value is not None and len(value) > 238:
                value, wanted = value[:230], wanted[:230]
            assert value == wanted, f"{part['title']}, {name}"


@pytest.fixture(scope="session")
def series_report(series_lake):
    return report(series_lake)


def test_the_data_is_as_the_schema_says(series_report, series_lake):
    valid(series_report, SCHEMA)
    assert [section["id"] for section in series_report["sections"]] == SECTIONS
    assert [dump["id"] for dump in series_report["dumps"]] == ["edx-1", "edx-2", "edx-3"]
    with pytest.raises(AssertionError):
        valid(series_report | {"title": 5}, SCHEMA)
    with pytest.raises(AssertionError):
        valid(series_report | {"more": 5}, SCHEMA)


def test_a_part_without_data_says_why(series_report):
    for section in series_report["sections"]:
        assert section["missing"] or section["parts"], section["id"]
        for part in section["parts"]:
            content = part["content"]
            if content["kind"] == "table":
                assert content["rows"] or content["missing"], part["id"]


def test_every_figure_is_that_of_its_command_and_of_its_statement(series_lake, series_report):
    seen = 0
    for part in parts(series_report).values():
        source = part["source"]
        if part["content"]["kind"] != "table" or part["content"]["missing"]:
            continue
        rows = json.loads(run_shell(series_lake, source["command"] + " --format json"))
        compare(part, rows)
        rows = json.loads(series_lake.ok("sql", "--dump", source["dump"], "--format", "json", source["sql"]))
        compare(part, rows)
        seen += 1
    assert seen > 8


def test_suspects_are_those_of_the_command(series_lake, series_report):
    part = parts(series_report)["suspects"]
    rows = json.loads(run_shell(series_lake, part["source"]["command"] + " --format json"))
    believed = [row for row in rows if row["confidence"] >= 0.5]
    ours = part["content"]["suspects"]
    assert believed and len(ours) == min(10, len(believed))
    for suspect, row in zip(ours, believed):
        for name in ("rank", "confidence", "idiom", "count", "retained", "retained_growth", "evidence"):
            assert suspect[name] == row[name], name
        assert suspect["commands"] == row["queries"]


def test_trees_have_the_figures_of_their_statements(series_lake, series_report):
    treemap, flame = (parts(series_report)[id] for id in ("treemap", "flame"))
    statement = lambda part: json.loads(  # noqa: E731
        series_lake.ok("sql", "--dump", part["source"]["dump"], "--format", "json", part["source"]["sql"])
    )
    rows = statement(treemap)
    retained = {f"@{row['address']:#x}": row["retained"] for row in rows if row["address"]}
    named = [node for node in treemap["content"]["nodes"] if node.get("address")]
    assert named and all(retained[node["address"]] == node["bytes"] for node in named)
    rows = statement(flame)
    assert flame["content"]["bytes"] == sum(row["size_after"] for row in rows) == series_report["dumps"][-1]["bytes"]
    top = [node for node in flame["content"]["nodes"] if node["above"] is None]
    assert sum(node["bytes_before"] for node in top) == sum(row["size_before"] for row in rows)
    for tree in (treemap, flame):
        nodes = tree["content"]["nodes"]
        for i, node in enumerate(nodes):
            assert node["above"] is None or node["above"] < i
        for i, node in enumerate(nodes):
            below = sum(other["bytes"] for other in nodes if other["above"] == i)
            assert below <= node["bytes"]


@pytest.mark.parametrize("id", ["flame", "treemap"])
def test_the_command_of_a_picture_draws_it(series_lake, series_report, id):
    part = parts(series_report)[id]
    command, file = part["source"]["command"].split(" -o ")
    assert file.endswith(".html")
    frames = json.loads(run_shell(series_lake, command + " --format json"))
    nodes = part["content"]["nodes"]
    assert [frame["bytes"] for frame in frames[1:]] == [node["bytes"] for node in nodes]
    assert [frame.get("bytes_before") for frame in frames[1:]] == [node.get("bytes_before") for node in nodes]


def test_merged_paths_are_those_of_the_command(series_lake, series_report):
    part = next(part for part in parts(series_report).values() if part["content"]["kind"] == "paths")
    paths, source = part["content"], part["source"]
    rows = json.loads(run_shell(series_lake, source["command"] + " --format json"))
    assert rows == json.loads(series_lake.ok("sql", "--dump", source["dump"], "--format", "json", source["sql"]))
    assert len(rows) == len(paths["branches"]) > 5
    for row, branch in zip(rows, paths["branches"]):
        for ours, theirs in (("above", "above"), ("arrow", "arrow"), ("name", "type"), ("bytes", "size"), ("paths", "paths"), ("ends", "ends")):
            assert branch[ours] == row.get(theirs), ours
    tops = [row for row in rows if row.get("above") is None]
    assert paths["paths"] == sum(row["paths"] for row in tops)
    # The lines are those of the terminal.
    text = run_shell(series_lake, source["command"] + " --format table")
    assert text.splitlines()[0].startswith(f"{paths['paths']:,} paths to ")
    shown = [re.sub(r"^[ │├└─]*", "", line) for line in text.splitlines()[1:]]
    assert shown == [f"{line['paths']:,} of {paths['paths']:,}: {line['words']}" for line in paths["lines"]]
    assert f"{paths['paths']:,} of {paths['paths']:,}:" in series_lake.ok("report", "--format", "markdown") or len(tops) > 1


def test_what_paths_have_in_common_is_below_them(series_lake, series_report):
    part = parts(series_report)["clusters-1"]
    table, source = part["content"], part["source"]
    rows = json.loads(run_shell(series_lake, source["command"] + " --format json"))
    assert rows == json.loads(series_lake.ok("sql", "--dump", source["dump"], "--format", "json", source["sql"]))
    merged = parts(series_report)["paths-1"]["content"]
    shown = [dict(zip((column["name"] for column in table["columns"]), row)) for row in table["rows"]]
    assert [row["paths"] for row in shown] == [row["paths"] for row in rows] and shown
    assert sum(row["paths"] for row in shown) == merged["paths"] == shown[0]["asked"]
    assert shown[0]["type"] == rows[0]["type"] and shown[0]["signature"] == rows[0]["signature"]
    assert "what these paths have in common" in series_lake.ok("report", "--format", "markdown")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A lake of the captures that attack. Only read it."""
    folder = tmp_path_factory.mktemp("hostile")
    lake = Lake(folder / "lake")
    for n, file in enumerate(hostile.write(folder), start=1):
        lake.load(file, f"x-{n}", "--tag", f"service={hostile.word(3)}")
    return lake


def test_of_attacks_every_section_is_made(attacked):
    data = report(attacked)
    valid(data, SCHEMA)
    named = {section["id"] for section in data["sections"] if hostile.MARK in json.dumps(section)}
    assert named >= {"verdict", "content", "growth", "holders", "biggest", "waste", "threads", "made"}, named
    assert data["sections"][2]["parts"], "the account of the process's memory"
    assert len(json.dumps(data)) < 3 << 20, "names of a megabyte are cut"


def test_markdown_is_short_and_nothing_in_it_acts(attacked):
    text = attacked.ok("report", "--format", "markdown", "--title", hostile.word(6))
    assert len(text) < 60_000
    # Code between backquotes shows what it contains as it is.
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    html = set(re.findall(r"</?[a-zA-Z][^>]*>", outside))
    assert html == {"<details>", "</details>", "<summary>", "</summary>"}, html
    assert not re.search(r"(?<!\\)\]\(", outside) and "@everyone" not in outside and "http:" not in outside
    assert text.count("<details>") == text.count("</details>") == len(SECTIONS) - 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\u2066-\u2069]", text)
    assert hostile.MARK in outside


def test_markdown_has_the_verdict_in_the_open(series_lake, series_report):
    text = series_lake.ok("report", "--format", "markdown")
    before = text.split("<details>")[0]
    suspects = parts(series_report)["suspects"]["content"]["suspects"]
    assert f"{suspects[0]['confidence'] * 100:.0f} %" in before
    assert before.count("### ") == len(suspects)


@pytest.mark.parametrize("format", ["html", "json", "markdown"])
def test_what_is_redacted_is_in_no_format(tmp_path, format):
    lake = Lake(tmp_path / "lake")
    for n, file in enumerate(hostile.write(tmp_path, is_code_plain=True), start=1):
        lake.load(file, f"x-{n}", "--tag", f"owner={hostile.word(3)}")
    file = tmp_path / {"html": "r.html", "json": "r.json", "markdown": "r.md"}[format]
    lake.ok("report", "-o", file)
    assert hostile.MARK in file.read_text(), "the test looks for what is there"
    lake.ok("report", "-o", file, "--redact")
    text = file.read_text()
    at = text.find(hostile.MARK)
    assert at < 0, text[max(0, at - 300) : at + 100]
    assert "are masked" in text and "app.Leak0" in text


def thread_that_fills(folder, n):
    """Tables of a thread with a short name, whose thread locals hold `n` objects."""
    objects = ["address,type,size,len,name,value", "16,java.lang.Thread,64,,bob,", "32,java.lang.ThreadLocal$ThreadLocalMap,32,,,"]
    objects += [f"48,java.util.ArrayList,24,{n},,", f"64,java.lang.Object[],{4 * n},{n},,"]
    edges = ["parent,child,label", "16,32,.threadLocals", "32,48,.value", "48,64,.elementData"]
    for i in range(n):
        objects.append(f"{1000 + 16 * i},com.shop.Context,200,,,x{i}")
        edges.append(f"64,{1000 + 16 * i},[{i}]")
    tables = {"objects": objects, "edges": edges, "roots": ["address,kind", "16,thread bob"]}
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return [word for name in tables for word in (f"--{name}", folder / f"{name}.csv")]


@pytest.mark.parametrize("format", ["html", "json", "markdown"])
def test_short_names_are_redacted_and_what_a_programmer_wrote_stays(tmp_path, format):
    lake = Lake(tmp_path / "lake")
    for n in (1, 2, 3):
        lake.ok("import", "--dump", f"d{n}", *thread_that_fills(tmp_path, 1000 * n))
    is_said = lambda text: re.search(r"(?<![\w+/=])bob(?![\w+/=])", text)
    file = tmp_path / {"html": "r.html", "json": "r.json", "markdown": "r.md"}[format]
    lake.ok("report", "-o", file)
    plain = file.read_text()
    lake.ok("report", "-o", file, "--redact")
    masked = file.read_text()
    assert is_said(plain) and not is_said(masked), is_said(masked)
    stays = ["threadLocals", "elementData", "com.shop.Context", "java.lang.Object[]"]
    for word in stays:
        spelled = word.replace("[]", r"\[\]") if format == "markdown" and word not in masked else word
        assert spelled in masked, word
    assert "finally block" in plain and "finally block" in masked, "a mask in the middle of a word"
    if format == "json":
        suspect = parts(json.loads(masked))["suspects"]["content"]["suspects"][0]
        assert re.fullmatch(r"\(thread ‹\d+›\) ‹\d+›\.threadLocals\.value\.elementData", suspect["held_by"]), suspect["held_by"]
        assert "-.threadLocals-> ThreadLocal$ThreadLocalMap" in suspect["path"], suspect["path"]


def test_a_report_is_written_where_a_check_fails(series_lake, tmp_path):
    file = tmp_path / "failed.html"
    assert series_lake.run("check", "max_total", "limit=1GiB", "--report", file).returncode == 0
    assert not file.exists()
    result = series_lake.run("check", "max_total", "limit=1KiB", "--report", file)
    assert result.returncode == 1 and "<!DOCTYPE html>" in file.read_text()
    file = tmp_path / "suspects.json"
    series_lake.ok("suspects", "--report", file)
    valid(json.loads(file.read_text()), SCHEMA)


def test_mistakes_are_said(series_lake, lake, tmp_path):
    assert "ending" in series_lake.fails("report", "-o", tmp_path / "x.docx")
    assert "edx-9" in series_lake.fails("report", "edx-9")
    assert not list(tmp_path.glob("x.*"))


def test_a_dump_without_an_index_or_objects_is_reported(series_lake, tmp_path, edx):
    lake = Lake(tmp_path / "lake")
    lake.load(edx["py38-1"], "a", "--no-index")
    data = report(lake)
    valid(data, SCHEMA)
    assert [section["id"] for section in data["sections"]] == SECTIONS
    empty = tmp_path / "empty.dump"
    empty.write_text('{"address": 1, "type": "x", "size": 1, "refs": []}\n')
    lake.load(empty, "b", "--taken", "2030-01-01T00:00:00Z")
    valid(report(lake, "b"), SCHEMA)
    lake.ok("report", "b", "-o", tmp_path / "b.html")


def test_forty_dumps(small_dump, tmp_path):
    lake = Lake(tmp_path / "lake")
    for n in range(40):
        lake.load(small_dump, f"d{n:02}", "--taken", f"2026-01-01T{n // 2:02}:{n % 2 * 30:02}:00Z", "--tag", "service=s")
    data = report(lake)
    assert len(data["dumps"]) == 40
    lake.ok("report", "-o", tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 3 << 20
