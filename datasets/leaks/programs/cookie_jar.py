"""One cookie jar for all customers: cookies three dictionaries deep, and none expires before the process ends."""
import http.cookiejar
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["growing_container", "unbounded_cache"], "type": "Cookie"}

numbers = itertools.count(1)


class Browser:
    def __init__(self):
        self.jar = http.cookiejar.CookieJar()

    def visit(self, number):
        name, value = f"session{number}", f"{number:032x}"
        self.jar.set_cookie(http.cookiejar.Cookie(
            0, name, value, None, False, "shop.example", True, False, "/", True, False, 4_000_000_000, False, None, None, {}))


def setup():
    global browser
    browser = Browser()
    browser.visit(0)


def round(n):
    for _ in range(n):
        browser.visit(next(numbers))


def holder():
    paths = browser.jar._cookies["shop.example"]
    return Alternatives([paths["/"], paths, browser.jar._cookies, browser.jar, browser])


def release():
    browser.jar._cookies["shop.example"]["/"].clear()
