"""Programs with libraries that change the interpreter, or that have hooks at fork. They need tests/requirements-programs.txt
in the environment of the tests; what is not there is skipped by name."""

import importlib.util
import os
import signal
import sys
import time

import pytest

from capturing import TIMEOUT, Heap, run, start
from test_capture import frames, wait_for


def needs(module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed (tests/requirements-programs.txt)")


GREENLETS = """
import os, sys, warnings
warnings.simplefilter("ignore")
if sys.argv[1] == "gevent":
    from gevent import monkey; monkey.patch_all()
    from gevent import spawn, sleep
    from gevent.event import AsyncResult as Event
    wait = lambda: Event().get()
else:
    import eventlet; eventlet.monkey_patch()
    from eventlet import spawn, sleep
    from eventlet.event import Event
    wait = lambda: Event().wait()
import signal, heaplake_dump
class Request:
    def __init__(self, number): self.number = number
def ask(request):
    local_of_ask = [request.number]
    return wait()
def handle(number):
    request = Request(number)
    return ask(request)
waiting = [spawn(handle, number) for number in range(20)]
sleep(0.1)
folder, way = sys.argv[2:4]
ticks = []
def tick():
    while True:
        ticks.append(1)
        sleep(0.01)
spawn(tick)
def work():
    heaplake_dump.dump(folder + "/inside.dump.gz", fork=way == "fork")
if way == "signal":
    heaplake_dump.install(signal=signal.SIGUSR1, dir=folder)
    os.kill(os.getpid(), signal.SIGUSR1)
elif way == "every":
    heaplake_dump.install(every=0.3, dir=folder)
else:
    spawn(work)
for _ in range(1000):
    sleep(0.02)
    if [name for name in os.listdir(folder) if name.endswith(".gz")]: break
before = len(ticks)
sleep(0.1)
print("goes on", len(ticks) > before)
heaplake_dump.uninstall()
os._exit(0)
"""


@pytest.mark.parametrize("way", ["fork", "here", "signal", "every"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets(tmp_path, library, way):
    needs(library)
    assert run(sys.executable, GREENLETS, library, tmp_path, way) == "goes on True\n"
    heap = Heap(sorted(tmp_path.glob("*.dump.gz"))[0])
    waiting = [frame for frame in frames(heap, "handle") if frame.get("root") == "greenlet"]
    assert sorted(heap.follow(frame, "request")["type"].rpartition(".")[2] for frame in waiting) == ["Request"] * 20
    held = [heap.follow(frame, "local_of_ask", "[0]")["value"] for frame in frames(heap, "ask")]
    assert sorted(held) == list(range(20))
    tops = [one for one in heap.objects.values() if ".gr_frame" in (one.get("labels") or [])]
    assert len(tops) >= 20


SPANS = """
import os, sys, threading, heaplake_dump
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
down = threading.Event()
class Exporter(SpanExporter):
    def export(self, spans):
        down.wait()
        return SpanExportResult.SUCCESS
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Exporter(), max_queue_size=100_000, max_export_batch_size=100))
tracer = provider.get_tracer("shop")
for n in range(500):
    with tracer.start_as_current_span("checkout", attributes={"order": n}): pass
heaplake_dump.dump(sys.argv[1])
os._exit(0)
"""


def test_a_queue_that_a_hook_at_fork_clears(tmp_path):
    needs("opentelemetry.sdk" if importlib.util.find_spec("opentelemetry") else "opentelemetry")
    run(sys.executable, SPANS, tmp_path / "dump.gz")
    assert len(Heap(tmp_path / "dump.gz").all("ReadableSpan")) == 500


APPLICATION = """
import os, signal, heaplake_dump
heaplake_dump.install(signal=signal.SIGRTMIN + 3, dir=%r, values="none")
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.mark.parametrize("preload", [False, True], ids=["each worker", "preload"])
def test_workers_of_gunicorn_answer_the_signal(tmp_path, preload):
    needs("gunicorn")
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    (tmp_path / "application.py").write_text(APPLICATION % str(dumps))
    program = """
import os, sys
sys.path.insert(0, sys.argv[1])
from gunicorn.app.wsgiapp import run
sys.argv[:] = ["gunicorn", "--workers", "2", "--bind", "unix:" + sys.argv[1] + "/socket", *sys.argv[2:], "application:app"]
run()
"""
    process = start(sys.executable, program, tmp_path, *(["--preload"] if preload else []), cwd=tmp_path)
    try:
        children = lambda: open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
        wait_for(lambda: len(children()) == 2 and (tmp_path / "socket").exists(), process)
        time.sleep(1)
        workers = children()
        for pid in workers:
            os.kill(int(pid), signal.SIGRTMIN + 3)
        wait_for(lambda: len(list(dumps.glob("*.dump.gz"))) == 2, process)
        assert sorted(str(Heap(path).header["capture"]["pid"]) for path in dumps.iterdir()) == sorted(workers)
        assert children() == workers
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)
