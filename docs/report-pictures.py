"""Makes the pictures of report.md and the page of pictures.md: python3 docs/report-pictures.py [FOLDER]. Needs Playwright and Chromium."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).resolve().parent.parent
HEAPLAKE = Path(os.environ.get("HEAPLAKE_BIN", REPOSITORY / "target/release/heaplake")).absolute()
#: Name, where the page is scrolled to, colours, width and height.
PICTURES = [
    ("report-light", "verdict", "light", 1180, 860),
    ("report-dark", "holders", "dark", 1180, 860),
    ("report-narrow", "growth", "light", 400, 800),
]


def main(folder):
    with tempfile.TemporaryDirectory() as work:

        def heaplake(*args):
            subprocess.run([HEAPLAKE, "--quiet", *args], cwd=work, check=True)

        for n in (1, 2, 3):
            dump = REPOSITORY / f"datasets/edx/py38/{n}.dump.gz"
            at = ["--dump", f"edx-{n}", "--taken", f"2015-11-22T1{n}:00:00Z", "--tag", "service=edx"]
            heaplake("import", *at, dump)
        file = f"{work}/report.html"
        heaplake("report", "-o", file, "--title", "Leak of LMS systems")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, place, scheme, width, height in PICTURES:
                page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
                page.goto(f"file://{file}#{place}" if place != "verdict" else f"file://{file}")
                page.wait_for_timeout(500)
                page.screenshot(path=folder / f"{name}.png")
            heaplake("flamegraph", "--diff", "edx-1", "edx-3", "-o", f"{work}/grew.html")
            page = browser.new_page(color_scheme="light", viewport={"width": 1180, "height": 660})
            page.goto(f"file://{work}/grew.html")
            page.wait_for_timeout(500)
            page.screenshot(path=folder / "pictures/page.png")
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
