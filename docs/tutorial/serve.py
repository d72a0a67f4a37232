"""Serves the shop of docs/tutorial.md on port 8000 or $PORT, until it is killed."""

import os
import signal
from wsgiref.simple_server import make_server

import heaplake_dump
import shop

os.makedirs("dumps", exist_ok=True)
heaplake_dump.install(signal=signal.SIGUSR1, dir="dumps")
make_server("127.0.0.1", int(os.environ.get("PORT", 8000)), shop.application).serve_forever()
