"""What CI runs in docs/tutorial.md: two dumps of the shop, after 250 orders and after 500 more."""

import io
import json

import heaplake_dump
import shop


def ask(path, body=b""):
    """A request without a server and a network."""
    environ = {"PATH_INFO": path, "CONTENT_LENGTH": len(body), "wsgi.input": io.BytesIO(body)}
    return shop.application(environ, lambda status, headers: None)


def customers(n_orders):
    for number in range(n_orders):
        ask(f"/product/{number % 250}")
        ask("/checkout", json.dumps({"products": [number % 250]}).encode())


customers(250)
heaplake_dump.dump("warm.dump.gz")
customers(500)
heaplake_dump.dump("after.dump.gz")
