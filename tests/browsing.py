"""A page in a browser: Debian's Chromium, driven by Playwright, offline. What imports this is skipped where there is neither."""

import re
import shutil

import pytest

from lake import REPOSITORY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = REPOSITORY / "crates/report/page/node_modules/axe-core/axe.min.js"

if CHROMIUM is None:
    pytest.skip("there is no Chromium (apt-get install chromium)", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="there is no Playwright (tests/requirements-browser.txt)")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
        )
        yield browser
        browser.close()


class Opened:
    """A page, with everything that it said and asked for."""

    def __init__(self, context, url):
        self.said = []
        self.asked = []
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("main section")
        self.url = url

    def quiet(self):
        """Nothing was said, and nothing but the file asked for."""
        assert self.said == []
        assert {url.split("#")[0] for url in self.asked} == {self.url.split("#")[0]}


@pytest.fixture
def open_page(browser):
    contexts = []

    def opened(file, hash="", **options):
        context = browser.new_context(**({"offline": True, "viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        return Opened(context, file.as_uri() + hash)

    yield opened
    for context in contexts:
        context.close()


def wait(page, expression):
    """Waits until an expression is true. The page's policy forbids what Playwright itself does for that."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{expression} never became true")


def serious(page):
    """What keeps people who cannot see from using the page, as axe finds it."""
    if not AXE.exists():
        pytest.skip("there is no axe-core (npm ci in crates/report/page)")
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        (violation["id"], violation["nodes"][0]["html"][:200])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


def text_of_hostile_page(file, open_page):
    """Opens a page of a dump whose texts are attacks; everything of it is text. The page, and the text when all is unfolded."""
    raw = file.read_text()
    assert raw.count("<script") == 2 and raw.count("</script>") == 2 and len(raw) < 3 << 20
    opened = open_page(file)
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    for more in page.locator("button.more").all():
        more.click()
    text = page.inner_text("body")
    assert page.locator("main img, main iframe, main object, main script, main a[href^=javascript]").count() == 0
    handlers = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes].map((a) => a.name)).filter((n) => n.startsWith('on'))"
    )
    assert handlers == []
    unsafe = re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\u2066-\u2069]", text)
    assert not unsafe, set(unsafe)
    opened.quiet()
    return page, text
