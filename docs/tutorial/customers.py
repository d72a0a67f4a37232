"""Customers of the shop of docs/tutorial.md: python3 customers.py N looks at N pages and places N orders."""

import http.client
import itertools
import json
import os
import sys
import time

PORT = int(os.environ.get("PORT", 8000))


def ask(method, path, body=None):
    """What the shop answers. Waits while it is not open yet."""
    for attempt in itertools.count():
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        try:
            connection.request(method, path, body)
            break
        except ConnectionRefusedError:
            if attempt == 100:
                raise
            time.sleep(0.1)
    response = connection.getresponse()
    answer = response.read().decode()
    connection.close()
    if response.status != 200:
        sys.exit(f"{method} {path}: {response.status} {answer}")
    return answer


n_orders = int(sys.argv[1])
for number in range(n_orders):
    ask("GET", f"/product/{number % 250}")
    order = {"products": [number % 250, number * 7 % 250], "note": "Please ring twice. " * 100}
    thanks = ask("POST", "/checkout", json.dumps(order))
print(f"{n_orders} orders; the last answer was: {thanks}")
