"""Stores of Google and Azure on loopback: one of ours that does what Google documents of its XML interface, as far as a lake asks
for it, and Azurite, which Microsoft maintains."""

import hashlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

from stores import BUCKET

TOKEN = "hunter2-token-of-the-machine"

#: Objects of one page of a listing.
PAGE = 5


class Google:
    """https://cloud.google.com/storage/docs/xml-api: objects with generations and conditions, ranges, listings in pages, uploads in
    parts; and the server of metadata, which gives tokens to a machine. Requests without the token are refused."""

    scheme = "gs"

    def __init__(self):
        #: Key to (bytes, generation, metadata, time).
        self.objects = {}
        self.uploads = {}
        #: Method, key, and the condition of each put.
        self.puts = []
        self.generations = itertools.count(1_700_000_000_000_000)
        self.lock = threading.Lock()
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_any(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
                with store.lock:
                    status, headers, answer = store.answer(self.command, urllib.parse.unquote(url.path), query, self.headers, body)
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "content-length" not in headers:
                    self.send_header("content-length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.server_port}"

    def variables(self, cache=""):
        """What tells a command to ask this store, as the role of a machine."""
        return {
            "GOOGLE_BASE_URL": f"http://{self.host}",
            "GCE_METADATA_HOST": self.host,
            "GCE_METADATA_IP": self.host,
            "HOME": "/nonexistent",
            "HEAPLAKE_CACHE": str(cache),
        }

    def nobody(self):
        """The same without credentials."""
        return self.variables() | {"GCE_METADATA_HOST": "127.0.0.1:2", "GCE_METADATA_IP": "127.0.0.1:2"}

    def content(self, prefix):
        return {k.removeprefix(prefix + "/"): v[0] for k, v in self.objects.items() if k.startswith(prefix + "/")}

    def put(self, key, content, metadata=None):
        self.objects[key] = (content, next(self.generations), metadata or {}, time.time())

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, path, query, headers, body):
        if path.startswith("/computeMetadata/"):
            assert headers["metadata-flavor"] == "Google"
            return 200, {}, f'{{"access_token": "{TOKEN}", "expires_in": 3600, "token_type": "Bearer"}}'.encode()
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return refusal(401, "AuthenticationRequired")
        bucket, _, key = path[1:].partition("/")
        if bucket != BUCKET:
            return refusal(404, "NoSuchBucket")
        if not key:
            return self.listing(query)
        if method == "POST" and "uploads" in query:
            upload = f"upload-{next(self.generations)}"
            self.uploads[upload] = (metadata_of(headers), {})
            return 200, {}, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode()
        if "uploadId" in query:
            return self.upload(method, key, query, body)
        if method == "PUT":
            condition = headers.get("x-goog-if-generation-match")
            self.puts.append((key, condition))
            there = self.objects.get(key)
            if condition is not None and int(condition) != (there[1] if there else 0):
                return refusal(412, "PreconditionFailed")
            self.put(key, body, metadata_of(headers))
            return 200, self.facts(key), b""
        if key not in self.objects:
            return refusal(404, "NoSuchKey")
        if method == "DELETE":
            del self.objects[key]
            return 204, {"content-length": "0"}, b""
        return self.get(method, key, headers)

    def get(self, method, key, headers):
        content, facts = self.objects[key][0], self.facts(key)
        if headers.get("if-match", facts["etag"]) != facts["etag"]:
            return refusal(412, "PreconditionFailed")
        if wanted := headers.get("range"):
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", wanted).groups())
            part = content[first : last + 1]
            facts["content-range"] = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            return 206, facts, part
        if method == "HEAD":
            facts["content-length"] = str(len(content))
        return 200, facts, content

    def upload(self, method, key, query, body):
        metadata, parts = self.uploads[query["uploadId"]]
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, {"etag": e_tag(body)}, b""
        del self.uploads[query["uploadId"]]
        if method == "POST":
            self.put(key, b"".join(content for _, content in sorted(parts.items())), metadata)
            tag = escape(self.facts(key)["etag"])
            return 200, {}, f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>".encode()
        return 204, {"content-length": "0"}, b""

    def listing(self, query):
        prefix = query.get("prefix", "")
        keys = sorted(k for k in self.objects if k.startswith(prefix))
        if query.get("delimiter"):
            # Nobody here asks for the folders.
            keys = [k for k in keys if "/" not in k.removeprefix(prefix)]
        rest = [k for k in keys if k > query.get("continuation-token", "")]
        page = rest[:PAGE]
        contents = "".join(
            f"<Contents><Key>{escape(k)}</Key><Generation>{self.objects[k][1]}</Generation><LastModified>{iso(self.objects[k][3])}"
            f"</LastModified><ETag>{escape(e_tag(self.objects[k][0]))}</ETag><Size>{len(self.objects[k][0])}</Size></Contents>"
            for k in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(rest) > PAGE else ""
        return 200, {}, f"<ListBucketResult><Name>{BUCKET}</Name>{token}{contents}</ListBucketResult>".encode()

    def facts(self, key):
        content, generation, metadata, modified = self.objects[key]
        return {
            "etag": e_tag(content),
            "x-goog-generation": str(generation),
            "last-modified": formatdate(modified, usegmt=True),
        } | metadata


def metadata_of(headers):
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-goog-meta-")}


def e_tag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def refusal(status, code):
    return status, {}, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made by the test</Message></Error>".encode()


def azurite():
    """The program, if this machine has it: of the path, or as `AZURITE` says."""
    return os.environ.get("AZURITE") or shutil.which("azurite-blob")


class Azure:
    """A container of the account that all emulators have; its key is no secret."""

    scheme = "az"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, folder):
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port = chosen.getsockname()[1]
        command = [azurite(), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(folder), "--silent"]
        self.process = subprocess.Popen([*command, "--skipApiVersionCheck", "--disableTelemetry"], stdout=subprocess.DEVNULL)
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.1)
        self.make_container()

    def make_container(self):
        self.send("", b"", {}, {"restype": "container"})

    def put(self, key, content):
        self.send(f"/{key}", content, {"x-ms-blob-type": "BlockBlob"}, {})

    def send(self, path, content, headers, query):
        import base64
        import hmac
        import http.client

        headers = headers | {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        length = len(content) or ""
        signed = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        resource = f"/devstoreaccount1/devstoreaccount1/{BUCKET}{path}" + "".join(f"\n{k}:{v}" for k, v in query.items())
        text = f"PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{signed}{resource}"
        signature = base64.b64encode(hmac.new(base64.b64decode(self.KEY), text.encode(), "sha256").digest()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers["Authorization"] = f"SharedKey devstoreaccount1:{signature}"
        parameters = "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
        connection.request("PUT", f"/devstoreaccount1/{BUCKET}{path}{parameters}", content, headers)
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()

    def variables(self, cache=""):
        return {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{self.port}",
            "HEAPLAKE_CACHE": str(cache),
        }

    def nobody(self):
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{self.port}/devstoreaccount1",
            "AZURE_MSI_ENDPOINT": "http://127.0.0.1:2/metadata/identity/oauth2/token",
            "HEAPLAKE_CACHE": "",
        }

    def stop(self):
        self.process.terminate()
        self.process.wait()


