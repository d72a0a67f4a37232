"""The report in a browser: opened from a file, offline, used by mouse and keyboard, printed, and looked at by a machine for people
who cannot see it. Skipped where there is no Chromium or no Playwright."""

import json
import re
import shutil
import subprocess
import zlib

import pytest

import hostile
from browsing import browser, open_page, serious, sync_api, text_of_hostile_page, wait  # noqa: F401
from lake import Lake

@pytest.fixture(scope="module")
def series(edx, tmp_path_factory):
    """The file of a report on three dumps, and its data."""
    folder = tmp_path_factory.mktemp("series")
    lake = Lake(folder / "lake")
    for n in (1, 2, 3):
        lake.load(edx[f"py38-{n}"], f"edx-{n}", "--taken", f"2015-11-22T1{n}:00:00Z", "--tag", "service=edx")
    file = folder / "report.html"
    lake.ok("report", "-o", file, "--title", "Leak of systems")
    data = json.loads(lake.ok("report", "--format", "json", "--title", "Leak of systems"))
    return file, data


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A lake of the captures that attack."""
    folder = tmp_path_factory.mktemp("hostile")
    lake = Lake(folder / "lake")
    for n, file in enumerate(hostile.write(folder), start=1):
        lake.load(file, f"x-{n}", "--tag", f"service={hostile.word(3)}")
    return lake


def parts(data, kind):
    every = [part for section in data["sections"] for part in section["parts"]]
    return [part for part in every if part["content"]["kind"] == kind and not part["content"].get("missing")]


def test_it_opens_from_a_file_and_asks_for_nothing(series, open_page):
    file, data = series
    opened = open_page(file)
    assert opened.page.title() == "Leak of systems"
    titles = [title.removesuffix(" #") for title in opened.page.locator("main h2").all_inner_texts()]
    assert titles == [section["title"] for section in data["sections"]]
    assert data["verdict"] in opened.page.locator("#verdict .summary").inner_text()
    loaded = opened.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"loaded after {loaded:.0f} ms, {file.stat().st_size:,} bytes")
    opened.quiet()
    # With scripts off the verdict is still there.
    plain = open_page_without_script(opened.page.context.browser, file)
    assert data["title"] in plain and "switched off" in plain


def open_page_without_script(browser, file):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    text = page.inner_text("body")
    context.close()
    return text


def test_the_policy_refuses_other_scripts(series, open_page):
    opened = open_page(series[0])
    opened.page.evaluate(
        "() => { const s = document.createElement('script'); try { s.text = 'window.owned = 1' } catch {} document.body.append(s) }"
    )
    assert opened.page.evaluate("window.owned") is None
    with pytest.raises(sync_api.Error, match="TrustedHTML|Trusted"):
        opened.page.evaluate("document.body.innerHTML = '<b>x</b>'")


def test_figures_are_those_of_the_data(series, open_page):
    file, data = series
    opened = open_page(file)
    tables = parts(data, "table")
    assert len(tables) > 8
    for part in tables:
        table = part["content"]
        more = opened.page.locator(f"#{part['id']} > .table > button.more")
        if more.count():
            more.click()
        columns = opened.page.locator(f"#{part['id']} > .table .columns input")
        if columns.count():
            columns.check()
        rows = opened.page.locator(f"#{part['id']} > .table tbody tr").all()
        assert len(rows) == len(table["rows"]), part["id"]
        shown = opened.page.evaluate(
            "(id) => [...document.querySelectorAll(`#${id} > .table tbody tr`)].map((row) =>"
            " [...row.cells].map((cell) => [cell.innerText, cell.querySelector('[title]')?.title ?? null]))",
            part["id"],
        )
        for row, values in zip(shown, table["rows"]):
            assert len(row) == len(table["columns"])
            for (text, title), value, column in zip(row, values, table["columns"]):
                if value is None:
                    assert text == ""
                elif column["kind"] == "bytes" and isinstance(value, int):
                    assert title == f"{value:,} bytes", part["id"]
                elif column["kind"] == "number" and isinstance(value, int):
                    assert text == f"{value:,}", part["id"]
                elif column["kind"] == "address":
                    assert text == value
    opened.quiet()


def test_tables_sort_filter_and_copy_by_mouse_and_keyboard(series, open_page):
    opened = open_page(series[0])
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    table = page.locator("#types > .table")
    table.get_by_role("button", name="count", exact=True).click()
    assert table.locator("th.number").first.get_attribute("aria-sort") == "descending"
    counts = [int(text.replace(",", "")) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    page.keyboard.press("Enter")
    counts = [int(text.replace(",", "")) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts)
    table.get_by_label("Filter Types by size").fill("Module")
    names = table.locator("tbody td:nth-child(1)").all_inner_texts()
    assert names and all("module" in name.lower() for name in names)
    table.get_by_role("button", name="Copy rows").click()
    wait(page, "document.querySelector('#types [role=status].offscreen').innerText !== ''")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert copied[0].split("\t")[:2] == ["type", "count"] and len(copied) == 1 + len(names)
    wait(page, "location.hash.includes('filter=Module')")
    # The state of the table is in the link.
    again = open_page(series[0], "#" + page.url.split("#")[1])
    assert again.page.locator("#types > .table tbody td:nth-child(1)").all_inner_texts() == names
    opened.quiet()


def test_every_part_says_how_to_get_its_figures(series, open_page):
    file, data = series
    opened = open_page(file)
    every = [part for section in data["sections"] for part in section["parts"]]
    for part in every:
        source = opened.page.locator(f"#{part['id']} > details.source")
        source.locator("summary").click()
        assert source.locator("pre").nth(0).inner_text() == part["source"]["command"]
        assert source.locator("pre").nth(1).inner_text().split() == part["source"]["sql"].split()


@pytest.mark.parametrize("picture", ["flame", "treemap"])
def test_pictures_zoom_and_search_by_mouse_and_keyboard(series, open_page, picture):
    file, data = series
    opened = open_page(file)
    page = opened.page
    tree = next(part["content"] for part in parts(data, "tree") if part["content"]["picture"] == picture)
    boxes = page.locator(f"#{picture} .box")
    assert boxes.count() > 10
    largest = max(range(len(tree["nodes"])), key=lambda i: tree["nodes"][i]["bytes"])
    page.locator(f"#{picture} [data-at='{largest}']").click(position={"x": 5, "y": 5})
    wait(page, f"location.hash.includes('zoom={largest}')")
    chosen = page.locator(f"#{picture} .chosen").inner_text()
    assert tree["nodes"][largest]["name"].split("(")[0][:20] in chosen
    # The keyboard: down into a child, zoom, out again.
    page.keyboard.press("ArrowDown")
    child = int(page.evaluate("document.activeElement.dataset.at"))
    assert tree["nodes"][child]["above"] == largest
    page.keyboard.press("Enter")
    wait(page, f"location.hash.includes('zoom={child}')")
    link = page.url
    page.keyboard.press("Escape")
    wait(page, f"location.hash.includes('zoom={largest}')")
    page.keyboard.press("Escape")
    wait(page, "!location.hash.includes('zoom=')")
    again = open_page(file, "#" + link.split("#")[1])
    crumbs = again.page.locator(f"#{picture} .crumbs button").all_inner_texts()
    assert len(crumbs) >= 3
    # Search.
    page.locator(f"#{picture}").get_by_role("searchbox").first.fill("dict")
    page.wait_for_selector(f"#{picture} .box.hit")
    assert " found" in page.locator(f"#{picture} .picture > .tools .said").inner_text()
    # What cannot be seen can be read.
    page.locator(f"#{picture} details.alternative summary").click()
    assert page.locator(f"#{picture} details.alternative tbody tr").count() >= 15
    opened.quiet()


def test_charts_hide_lines_and_have_a_table(series, open_page):
    file, data = series
    opened = open_page(file)
    charts = parts(data, "chart")
    assert charts
    for part in charts:
        chart = opened.page.locator(f"#{part['id']} .chart")
        assert chart.locator("canvas").count() == 1
        assert "over 3 dumps" in chart.locator("[role=img]").first.get_attribute("aria-label")
        chart.locator(".legend input").first.uncheck()
        chart.locator("details.alternative summary").click()
        assert chart.locator("details.alternative tbody tr").count() == 3
    opened.quiet()


def test_merged_paths_are_read_and_zoomed(series, open_page):
    file, data = series
    part = parts(data, "paths")[0]
    paths = part["content"]
    opened = open_page(file)
    place = opened.page.locator(f"#{part['id']}")
    place.locator(".paths > details summary").click() if len(paths["lines"]) > 12 else None
    shown = [re.sub(r"\s+", " ", text) for text in place.locator(".branches li").all_inner_texts()]
    assert shown == [f"{line['paths']:,} of {paths['paths']:,} {line['words']}" for line in paths["lines"]]
    # The widest box below the whole is the branch of most paths.
    first = next(i for i, branch in enumerate(paths["branches"]) if branch["above"] is None)
    box = place.locator(f".box[data-at='{first}']")
    assert f"{paths['branches'][first]['paths']:,} paths" in box.get_attribute("aria-label")
    box.click(position={"x": 5, "y": 5})
    wait(opened.page, f"location.hash === '#{part['id']}?zoom={first}'")
    opened.quiet()


def test_what_is_between_backquotes_is_code(series, open_page):
    file, data = series
    opened = open_page(file)
    texts = [suspect["advice"] for suspect in parts(data, "suspects")[0]["content"]["suspects"]]
    codes = [code for text in texts for code in re.findall("`([^`]+)`", text)]
    shown = opened.page.locator("#suspects .suspect p > code").all_inner_texts()
    assert codes and set(codes) <= set(shown)
    assert "`" not in opened.page.locator("#suspects").inner_text()


def test_it_is_dark_or_light_and_fits_a_telephone(series, open_page):
    opened = open_page(series[0], color_scheme="dark", viewport={"width": 360, "height": 740})
    page = opened.page
    background = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    assert background() == "rgb(20, 23, 27)"
    page.get_by_label("Colours").select_option("light")
    wait(page, "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    opened.quiet()


def test_it_prints(series, open_page, tmp_path):
    if not shutil.which("pdftotext"):
        pytest.skip("there is no pdftotext (apt-get install poppler-utils)")
    file, data = series
    opened = open_page(file)
    pdf = tmp_path / "report.pdf"
    opened.page.pdf(path=pdf, format="A4", print_background=True)
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    flat = re.sub(r"\s+", " ", text)
    assert "Leak of systems" in flat
    for section in data["sections"]:
        assert section["title"] in flat, section["title"]
    suspect = parts(data, "suspects")[0]["content"]["suspects"][0]
    assert f"{round(suspect['confidence'] * 100)} % sure" in flat
    types = next(part["content"] for part in parts(data, "table") if part["id"] == "types")
    assert f"{types['rows'][0][1]:,}" in flat
    for control in ("Copy rows", "Show all", "Zoom out", "Filter"):
        assert control not in flat


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_who_cannot_see_it_can_use_it(series, open_page, scheme):
    opened = open_page(series[0], color_scheme=scheme, bypass_csp=True)
    assert not serious(opened.page)


def test_attacks_are_text(attacked, open_page, tmp_path):
    file = tmp_path / "report.html"
    attacked.ok("report", "-o", file, "--title", hostile.word(0))
    page, text = text_of_hostile_page(file, open_page)
    assert page.title().startswith("attack0<script>")
    assert text.count(hostile.MARK) > 50
    for attack in hostile.ATTACKS[:6]:
        assert attack in text, attack


def test_firefox_draws_it(series, tmp_path):
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        pytest.skip("there is no Firefox (apt-get install firefox-esr)")
    picture = tmp_path / "firefox.png"
    (tmp_path / "profile").mkdir()
    subprocess.run(
        [firefox, "--headless", "--profile", tmp_path / "profile", "--window-size=1200,6000", "--screenshot", picture, series[0].as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    # The lines of a chart, in colours that nothing else of the page has.
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours(picture.read_bytes())


def colours(png):
    """The colours of a picture, of eight bits each with or without transparency, not interlaced."""
    at, data = 8, b""
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, channels = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big"), {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    raw, stride = zlib.decompress(data), width * channels
    found, before = set(), bytearray(stride)
    for y in range(height):
        method, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for i in range(stride):
            left = line[i - channels] if i >= channels else 0
            up, corner = before[i], before[i - channels] if i >= channels else 0
            if method == 4:
                guess = left + up - corner
                nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
            line[i] = (line[i] + [0, left, up, (left + up) // 2, nearest[2] if method == 4 else 0][method]) & 255
        found.update(zip(line[0::channels], line[1::channels], line[2::channels]))
        before = line
    return found
