"""Pictures alone as pages, in a browser: flame graph, treemap, charts, bars, merged paths."""

import json
import re

import pytest

from browsing import browser, open_page, serious, text_of_hostile_page, wait  # noqa: F401
from test_pictures import ATTACKS, hostile_pictures  # noqa: F401

#: The command of each picture without the file, and what is drawn.
PICTURES = {
    "flame": (["flamegraph", "py38-2", "-o"], ".boxes.flame"),
    "objects": (["flamegraph", "py38-2", "--by", "dominator", "--count", "-o"], ".boxes.flame"),
    "grew": (["flamegraph", "--diff", "py38-1", "py38-3", "-o"], ".boxes.flame"),
    "treemap": (["treemap", "py38-2", "-o"], ".boxes.treemap"),
    "trend": (["trend", "py38-*", "--chart"], ".chart canvas"),
    "stacked": (["trend", "py38-*", "--stacked", "--chart"], ".chart canvas"),
    "diff": (["diff", "py38-1", "py38-3", "--by", "holder", "--chart"], ".changes tbody tr"),
    "paths": (["path", "root ..> CombinedSystem", "--dump", "py38-3", "--merge", "type", "--chart"], ".boxes.flame"),
}


@pytest.fixture(scope="module")
def pages(edx_lake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, (command, _) in PICTURES.items():
        edx_lake.ok(*command, folder / f"{name}.html")
    return folder


def data(file):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', file.read_text()).group(1))


@pytest.mark.parametrize("name", PICTURES)
def test_it_opens_from_a_file_and_asks_for_nothing(pages, open_page, name):
    opened = open_page(pages / f"{name}.html")
    picture = data(pages / f"{name}.html")
    assert opened.page.title() == picture["title"] == opened.page.locator("h1").inner_text()
    assert opened.page.locator(PICTURES[name][1]).count() >= 1
    opened.page.locator("details.source summary").click()
    assert opened.page.locator("details.source pre").nth(0).inner_text() == picture["part"]["source"]["command"]
    assert (pages / f"{name}.html").stat().st_size < 3 << 20
    opened.quiet()


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_lake_gives_the_same_bytes(pages, edx_lake, tmp_path, name):
    edx_lake.ok(*PICTURES[name][0], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (pages / f"{name}.html").read_bytes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PICTURES)
def test_people_who_cannot_see_it_can_use_it(pages, open_page, name, scheme):
    opened = open_page(pages / f"{name}.html", color_scheme=scheme, bypass_csp=True)
    assert not serious(opened.page)


@pytest.mark.parametrize("name", ["flame", "objects", "grew", "treemap", "paths"])
def test_a_tree_zooms_and_searches_by_mouse_and_keyboard(pages, open_page, name):
    opened = open_page(pages / f"{name}.html")
    page = opened.page
    boxes = page.locator("#picture .box")
    assert boxes.count() > 5
    page.locator("#picture .box[data-at='0']").click(position={"x": 5, "y": 5})
    wait(page, "location.hash.includes('zoom=0')")
    page.keyboard.press("ArrowDown")
    child = page.evaluate("document.activeElement.dataset.at")
    page.keyboard.press("Enter")
    wait(page, f"location.hash.includes('zoom={child}')")
    link = "#" + page.url.split("#")[1]
    page.keyboard.press("Escape")
    wait(page, "location.hash.includes('zoom=0')")
    again = open_page(pages / f"{name}.html", link)
    assert again.page.locator("#picture .crumbs button").count() >= 3
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").first.fill("dict")
    page.wait_for_selector("#picture .box.hit")
    assert " found" in page.locator("#picture .picture > .tools .said").inner_text()
    page.locator("#picture details.alternative summary").click()
    assert page.locator("#picture details.alternative tbody tr").count() > 5
    opened.quiet()


def test_its_figures_are_those_of_the_command(pages, edx_lake, open_page):
    tree = data(pages / "objects.html")["part"]["content"]
    frames = json.loads(edx_lake.ok("flamegraph", "py38-2", "--by", "dominator", "--count", "-n", "2000", "--min", "0.05", "--format", "json"))
    assert (tree["measure"], tree["objects"]) == ("objects", frames[0]["objects"])
    assert [node["objects"] for node in tree["nodes"]] == [frame["objects"] for frame in frames[1:]]
    bars = data(pages / "diff.html")["part"]["content"]
    query = "select holder, retained_before, retained_after, retained_delta from diff('py38-1', 'py38-3', 'holder')"
    rows = {row["holder"][:200]: row for row in json.loads(edx_lake.ok("sql", "--format", "json", query))}
    assert len(bars["bars"]) == 20 and "7 holders more" in data(pages / "diff.html")["notes"][0]
    for bar in bars["bars"]:
        row = rows[bar["name"][:200]]
        assert (bar["before"] or 0, bar["after"], bar["change"]) == (row.get("retained_before") or 0, row.get("retained_after"), row["retained_delta"])
    opened = open_page(pages / "diff.html")
    shown = opened.page.locator("#picture tbody .change").first
    assert shown.get_attribute("title") == f"{bars['bars'][0]['change']:,} bytes"
    assert shown.locator("i.more").evaluate("(bar) => bar.offsetWidth") > 20
    opened.quiet()


@pytest.mark.parametrize(
    "command",
    [
        ["flamegraph", "two", "-o"],
        ["flamegraph", "--diff", "one", "two", "-o"],
        ["treemap", "two", "--by", "dominator", "-o"],
        ["trend", "*", "--by", "holder", "-n", "50", "--chart"],
        ["diff", "one", "two", "-n", "50", "--chart"],
        ["path", "root ..> (x: *) PER x", "--dump", "two", "--merge", "object", "--chart"],
    ],
)
def test_attacks_are_text(hostile_pictures, open_page, tmp_path, command):
    file = tmp_path / "picture.html"
    hostile_pictures.ok(*command, file)
    _, text = text_of_hostile_page(file, open_page)
    for attack in (ATTACKS[0], ATTACKS[3], ATTACKS[9]):
        assert attack in text, attack
    assert "\\u{202e}evil" in text
