"""An object store on loopback, moto, that counts what it is asked.

usage: python3 store_moto.py PORT

GET /-/counts gives the requests so far, and the bytes of their bodies and of those of the answers.
"""
import json
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


class Counting:
    """An application, and the sums of what goes through it."""

    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()
        self.requests = self.sent = self.received = 0

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/-/counts":
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps([self.requests, self.sent, self.received]).encode()]
        with self.lock:
            self.requests += 1
            self.sent += int(environ.get("CONTENT_LENGTH") or 0)
        answer = self.application(environ, start_response)
        return self.counted(answer) if environ["REQUEST_METHOD"] != "HEAD" else answer

    def counted(self, answer):
        for part in answer:
            with self.lock:
                self.received += len(part)
            yield part


application = Counting(DomainDispatcherApplication(create_backend_app))
make_server("127.0.0.1", int(sys.argv[1]), application, threaded=True).serve_forever()
