"""Writes every object of this process to a file, for heaplake to read. CPython 3.8 to 3.14, no dependencies.

    import heaplake_dump
    heaplake_dump.dump("/tmp/heap.dump.gz")                       # now
    heaplake_dump.install(signal=signal.SIGUSR1, dir="/tmp")      # kill -USR1 PID
    heaplake_dump.install(every=3600, dir="/var/dumps")           # every hour
    heaplake_dump.install(on_memory_error=True, dir="/tmp")       # when a MemoryError is not caught

By default the process forks and the child writes: the program stops for the fork only, and the dump is one moment.
docs/formats/capture.md of heaplake says what is written, docs/capture.md how to use it.

How it works. The collector's list (`gc.get_objects`) gives all containers; what they refer to (`gc.get_referents`)
gives the rest. Nothing of the program runs: no `__eq__`, `__hash__`, `__repr__`, `__getattr__`, `__sizeof__` or
property of it. Names of attributes are found by reading an attribute and looking which reference is the same object.

Memory, in the child: 8 bytes per container, about 80 bytes per object that is none, some megabytes of buffers; and
because looking at an object changes its reference count, the pages of the heap are copied as the child goes. With
fork=False the text is kept in memory, too, until all is seen or HELD_BYTES are reached: 100 to 300 bytes per object.
"""

import _thread
import builtins
import gc
import json
import os
import signal as _signal
import sys
import time
import types
import warnings
import weakref
import zlib
from _queue import SimpleQueue
from collections import deque
from itertools import chain, filterfalse
from json.encoder import encode_basestring_ascii as _quote
from operator import attrgetter, itemgetter

try:
    from compression import zstd as _zstd
except ImportError:
    _zstd = None

__all__ = ["CaptureError", "dump", "install", "memory_errors", "uninstall"]

#: Version of the lines that are written.
FORMAT = 1
#: Characters of a text with values="short", and of a key in a label.
SHORT = 100
#: With fork=False: bytes of text that are kept until every object was seen.
HELD_BYTES = 1 << 30

_VERSION = sys.version_info[:2]
#: Objects that are written before new ones are looked for.
_BATCH = 4096
#: Bytes of text that are compressed at once.
_CHUNK = 1 << 20
#: Keys whose labels are remembered; then all are forgotten.
_REMEMBERED_KEYS = 50_000
#: Seconds that other threads wait for their turn with fork=False.
_TURN = 0.05
#: Name of this file where heaplake has brought it into the process; what calls it then is ours, too.
_FROM_OUTSIDE = "<heaplake>"
#: Instances of a type whose attributes are looked up in their dictionary, in the child alone.
_SAMPLES = 32


class CaptureError(RuntimeError):
    """A dump could not be written; the message says why. The program itself goes on."""


def dump(path, *, fork=True, values="short", redact=False, salt=None, compress=None, wait=True, exception=None):
    """Writes a dump to `path` and returns what is known of it: path, objects, bytes and seconds.

    fork       the child of a fork writes, the program goes on; False: the program stands still until it is done
    values     text of strings and numbers: "none", "short" (the first 100 characters) or "full"
    redact     no text of the program's data: its length and a salted hash stand for it
    salt       bytes for these hashes; by default new ones in every dump, so that dumps cannot be compared by them
    compress   "gzip", "zstd" (Python 3.14), or "none"; by default what the end of the path says: .gz, .zst
    wait       False: return as soon as the child runs, with its process id; what goes wrong is said on stderr.
               A function: the same, and it is called with the result
    exception  an exception that is being handled, whose traceback keeps objects alive
    """
    options = _Options(path, values, redact, salt, compress, fork)
    if not _busy.acquire(False):
        raise CaptureError("another dump of this process is being written")
    is_watched = False
    try:
        if not fork:
            return _dump_here(options, exception)
        child = _fork(options, exception)
        if wait is True:
            return child.result()
        _thread.start_new_thread(child.watch, (wait or None,))
        is_watched = True
        return {"path": options.path, "pid": child.pid, "pause": child.pause}
    finally:
        if not is_watched:
            _busy.release()


def install(*, signal=None, every=None, on_memory_error=False, dir=".", keep=None, **options):
    """Arranges for dumps to come: at a signal, every N seconds, at a MemoryError that nobody catches.

    Files go to `dir`, as heap-PID-TIME-N.dump.gz; `keep` is how many of them to keep, the oldest go. Other options are
    those of `dump`, but `wait`. May be called again for another occasion; `uninstall()` takes everything back.
    """
    folder = os.path.abspath(os.fspath(dir))
    if not os.path.isdir(folder):
        raise CaptureError(f"{folder} is no folder")
    if keep is not None and keep < 1:
        raise CaptureError("keep must be 1 at least")
    if every is not None and not every > 0:
        raise CaptureError("every must be a number of seconds above 0")
    if signal is None and every is None and not on_memory_error:
        raise CaptureError("nothing to install: give signal, every or on_memory_error")
    _Options("x.gz", **{"values": "short", "redact": False, "salt": None, "compress": None, "fork": True, **options})
    files = _Files(folder, keep, options)
    if signal is not None:
        previous = _signal.signal(signal, lambda number, frame: files.dump_quietly(wait=False))
        _installed.append(lambda: _signal.signal(signal, previous))
    if every is not None:
        stop = _thread.allocate_lock()
        stop.acquire()
        _thread.start_new_thread(_repeat, (every, stop, files))
        _installed.append(stop.release)
    if on_memory_error:
        _install_hooks(files)


def uninstall():
    """Takes back everything that `install` arranged."""
    while _installed:
        _installed.pop()()


class memory_errors:
    """`with memory_errors(dir="/tmp"): ...` dumps when a MemoryError leaves the block; the error goes on its way."""

    def __init__(self, *, dir=".", keep=None, **options):
        self._files = _Files(os.path.abspath(os.fspath(dir)), keep, options)
        # Freed when the error comes, so that there is room to act.
        self._room = bytearray(1 << 20)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None and issubclass(kind, MemoryError):
            self._room = None
            self._files.dump_quietly(error)
        return False


_busy = _thread.allocate_lock()
_installed = []


# Occasions --------------------------------------------------------------------------------------------------------


class _Files:
    """Where dumps go that come by themselves."""

    def __init__(self, folder, keep, options):
        self._folder = folder
        self._keep = keep
        self._options = options
        self._written = []
        self._count = 0

    def dump_quietly(self, exception=None, wait=True):
        """Makes a dump, or starts one; what goes wrong is said, and never raised into a program that did not ask."""
        self._count += 1
        moment = time.strftime("%Y%m%dT%H%M%S")
        path = os.path.join(self._folder, f"heap-{os.getpid()}-{moment}-{self._count}.dump.gz")
        try:
            if wait:
                self._note(dump(path, exception=exception, **self._options))
            else:
                dump(path, wait=self._note, **self._options)
        except Exception as error:
            _say(f"no dump was written: {error}")

    def _note(self, result):
        if self._keep is None:
            return
        self._written.append(result["path"])
        while len(self._written) > self._keep:
            try:
                os.unlink(self._written.pop(0))
            except OSError:
                pass


def _repeat(seconds, stop, files):
    while not stop.acquire(True, seconds):
        files.dump_quietly()


def _install_hooks(files):
    room = [bytearray(1 << 20)]

    def at_error(kind, error):
        if kind is not None and issubclass(kind, MemoryError):
            room.clear()
            files.dump_quietly(error)

    def hook(kind, error, traceback):
        at_error(kind, error)
        before(kind, error, traceback)

    before = sys.excepthook
    sys.excepthook = hook
    _installed.append(lambda: setattr(sys, "excepthook", before))

    import threading

    def thread_hook(info):
        at_error(info.exc_type, info.exc_value)
        thread_before(info)

    thread_before = threading.excepthook
    threading.excepthook = thread_hook
    _installed.append(lambda: setattr(threading, "excepthook", thread_before))


def _say(text):
    try:
        os.write(2, f"heaplake_dump: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


# Here or in a child -----------------------------------------------------------------------------------------------


class _Options:
    """What a dump should be like, checked."""

    def __init__(self, path, values, redact, salt, compress, fork):
        self.path = os.path.abspath(os.fsdecode(path))
        if values not in ("none", "short", "full"):
            raise CaptureError(f"values must be 'none', 'short' or 'full', not {values!r}")
        if compress is None:
            endings = {".gz": "gzip", ".zst": "zstd"}
            compress = endings.get(os.path.splitext(self.path)[1], "none")
        if compress not in ("gzip", "zstd", "none"):
            raise CaptureError(f"compress must be 'gzip', 'zstd' or 'none', not {compress!r}")
        if compress == "zstd" and _zstd is None:
            raise CaptureError("this Python has no zstd (it comes with 3.14); use gzip")
        if fork and not hasattr(os, "fork"):
            raise CaptureError("this system cannot fork; use fork=False")
        if salt is not None and not isinstance(salt, (bytes, bytearray)):
            raise CaptureError("salt must be bytes")
        self.values = values
        self.redact = bool(redact)
        self.salt = bytes(salt) if salt is not None else os.urandom(16)
        self.compress = compress
        self.fork = bool(fork)
        if self.redact:
            # Here, because a child must not import: another thread may have held the lock of a module.
            from hashlib import blake2b

            self.hash = blake2b


class _Child:
    """A child that writes a dump, as its parent sees it."""

    def __init__(self, pid, pipe, path, part, pause):
        self.pid = pid
        self._pipe = pipe
        self._path = path
        self._part = part
        self.pause = pause

    def result(self):
        """Waits for the child; what it did, or an error."""
        answer = b""
        try:
            while True:
                more = os.read(self._pipe, 1 << 16)
                if not more:
                    break
                answer += more
        finally:
            os.close(self._pipe)
            status = _wait_for(self.pid)
        if not answer:
            _remove(self._part)
            raise CaptureError(f"the child that wrote {self._path} died ({status})")
        result = json.loads(answer.decode())
        if "error" in result:
            raise CaptureError(result["error"])
        result["pause"] = self.pause
        return result

    def watch(self, then):
        """Waits for the child in a thread of its own; then calls what is to be done with the result."""
        try:
            result = self.result()
            if then is not None:
                then(result)
        except Exception as error:
            _say(str(error))
        finally:
            _busy.release()


def _wait_for(pid):
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        # The program waits for any child, and was first.
        return "its exit status was taken by the program"
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _fork(options, exception, status=None):
    """Forks; the child writes the dump and never returns.

    With `status`, the name of a file, the child is nobody's child, and leaves its answer there.
    """
    part = f"{options.path}.{os.getpid()}-{time.time_ns()}.part"
    header = _header(options)
    reading, writing = os.pipe()
    start = time.perf_counter()
    try:
        # The stacks of other threads are gone in the child, so they are looked at before.
        stacks = _Stacks(exception, options.redact)
        # Since 3.12 a fork beside threads is warned of; the child calls nothing that waits for another thread.
        quiet = warnings.catch_warnings()
        with quiet:
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        del quiet
    except BaseException as error:
        os.close(reading)
        os.close(writing)
        if isinstance(error, OSError):
            raise CaptureError(f"this process cannot fork: {error}") from error
        raise
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            if status is None or os.fork() == 0:
                code = _child(options, part, header, stacks, writing, status)
        finally:
            os._exit(code)
    pause = time.perf_counter() - start
    stacks.forget()
    os.close(writing)
    return _Child(pid, reading, options.path, part, pause)


def _child(options, part, header, stacks, answer_to, status):
    """Writes the dump; the exit status. No handler, lock, thread or open file of the program is used from here on."""
    gc.disable()
    for number in _signal.valid_signals():
        try:
            if _signal.getsignal(number) not in (_signal.SIG_DFL, _signal.SIG_IGN, None):
                _SIGNALS.append((number, _signal.getsignal(number)))
                _signal.signal(number, _signal.SIG_DFL)
        except (OSError, ValueError):
            pass
    # Sockets and files that the program closes must not stay open because of the child.
    os.closerange(3, answer_to)
    os.closerange(answer_to + 1, _most_files())
    sys.setswitchinterval(0.0005)
    if gc.get_freeze_count():
        gc.unfreeze()
    try:
        result = _write(options, part, header, stacks, gc.get_objects())
    except MemoryError:
        result = {"error": f"{options.path}: not enough memory for the dump"}
    except OSError as error:
        result = {"error": f"{options.path}: {error.strerror or error}"}
    except BaseException as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        line = where.tb_lineno if where is not None else 0
        result = {"error": f"{options.path}: {type(error).__name__} in line {line} of heaplake_dump: {error}"}
    if "error" in result:
        _remove(part)
    answer = json.dumps(result).encode()
    if status is not None:
        with open(status + ".part", "wb") as file:
            file.write(answer)
        os.replace(status + ".part", status)
    else:
        os.write(answer_to, answer)
    return 0


#: Handlers of signals that the child set back, for its list of roots.
_SIGNALS = []


def _most_files():
    try:
        return max(map(int, os.listdir("/proc/self/fd"))) + 1
    except (OSError, ValueError):
        return min(os.sysconf("SC_OPEN_MAX"), 1 << 16)


def _dump_here(options, exception):
    """Writes the dump in this process, with other threads held off as far as Python can."""
    part = f"{options.path}.{os.getpid()}-{time.time_ns()}.part"
    header = _header(options)
    turn = sys.getswitchinterval()
    collecting = gc.isenabled()
    start = time.perf_counter()
    sys.setswitchinterval(_TURN)
    gc.disable()
    try:
        stacks = _Stacks(exception, options.redact)
        result = _write(options, part, header, stacks, gc.get_objects())
        stacks.forget()
    except OSError as error:
        _remove(part)
        raise CaptureError(f"{options.path}: {error.strerror or error}") from error
    except BaseException:
        _remove(part)
        raise
    finally:
        if collecting:
            gc.enable()
        sys.setswitchinterval(turn)
    result["pause"] = time.perf_counter() - start
    return result


def _remote(path, status, **options):
    """The entry of `heaplake capture python`: dumps from within another program and leaves nothing there."""
    status = os.fsdecode(status)
    settings = {"values": "short", "redact": False, "salt": None, "compress": None, "fork": True, **options}
    try:
        checked = _Options(path, **settings)
        if checked.fork:
            child = _fork(checked, None, status)
            os.close(child._pipe)
            _wait_for(child.pid)
            return
        answer = _dump_here(checked, None)
    except Exception as error:
        answer = {"error": str(error)}
    with open(status + ".part", "w") as file:
        json.dump(answer, file)
    os.replace(status + ".part", status)


def _write(options, part, header, stacks, objects):
    start = time.perf_counter()
    out = _Output(part, options)
    try:
        walk = _Walk(options, out, stacks, objects)
        out.lines.append(header)
        walk.run()
        end = {"objects": out.n_lines - 1}
        end_line = {"address": 1, "type": "heaplake capture", "size": 0, "end": end, "refs": []}
        out.lines.append(json.dumps(end_line))
        n_bytes = out.close()
    except BaseException:
        out.abandon()
        raise
    os.replace(part, options.path)
    seconds = time.perf_counter() - start
    return {"path": options.path, "objects": end["objects"], "bytes": n_bytes, "seconds": seconds}


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def _header(options):
    now = time.time()
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
    command = getattr(sys, "orig_argv", None) or [sys.executable or "python", *getattr(sys, "argv", [])]
    capture = {
        "format": FORMAT,
        "time": moment,
        "pid": os.getpid(),
        "host": None if options.redact else _clean(os.uname().nodename if hasattr(os, "uname") else ""),
        "python": ".".join(map(str, sys.version_info[:3])),
        "command": None if options.redact else [_clean(str(part)) for part in command],
        "rss": _rss(),
        "values": options.values,
        "redact": options.redact,
        "fork": options.fork,
    }
    text = json.dumps(capture)
    return f'{{"address": 0, "type": "heaplake capture", "size": 0, "capture": {text}, "refs": []}}'


def _rss():
    """Bytes of memory that the process has; None where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


# The file ---------------------------------------------------------------------------------------------------------


class _Output:
    """Lines to a compressed file, compressed beside the walk where there is a child."""

    def __init__(self, part, options):
        self.lines = []
        self.n_lines = 0
        # Dumps hold whatever the program held: nobody else may read them.
        self._fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._n_bytes = 0
        self._held = None if options.fork else []
        self._n_held = 0
        if options.compress == "gzip":
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        elif options.compress == "zstd":
            packer = _zstd.ZstdCompressor()
        else:
            packer = None
        self._packer = packer
        self._failed = None
        self._todo = None
        # Where threads were replaced by something else, compressing is done in between.
        if options.fork and isinstance(_thread.start_new_thread, types.BuiltinFunctionType):
            self._todo, self._room, self._done = SimpleQueue(), SimpleQueue(), SimpleQueue()
            for _ in range(4):
                self._room.put(None)
            _thread.start_new_thread(self._work, ())

    def flush(self):
        """Hands over the lines that are there."""
        if not self.lines:
            return
        self.n_lines += len(self.lines)
        self.lines.append("")
        text = "\n".join(self.lines).encode("ascii")
        self.lines.clear()
        if self._held is not None:
            self._held.append(text)
            self._n_held += len(text)
            if self._n_held > HELD_BYTES:
                self._release()
        elif self._todo is not None:
            self._room.get()
            if self._failed is not None:
                raise self._failed
            self._todo.put(text)
        else:
            self._pack(text)

    def close(self):
        """Writes what is left; the bytes of the file."""
        self.flush()
        if self._held is not None:
            self._release()
        if self._todo is not None:
            self._todo.put(None)
            self._done.get()
            if self._failed is not None:
                raise self._failed
        if self._packer is not None:
            self._put(self._packer.flush())
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = None
        return self._n_bytes

    def abandon(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _work(self):
        while True:
            text = self._todo.get()
            if text is None:
                self._done.put(None)
                return
            if self._failed is None:
                try:
                    self._pack(text)
                except BaseException as error:
                    self._failed = error
            self._room.put(None)

    def _release(self):
        for text in self._held:
            self._pack(text)
        self._held.clear()
        self._n_held = 0

    def _pack(self, text):
        for at in range(0, len(text), _CHUNK):
            piece = text[at : at + _CHUNK]
            self._put(self._packer.compress(piece) if self._packer is not None else piece)

    def _put(self, data):
        view = memoryview(data)
        while view:
            n = os.write(self._fd, view)
            self._n_bytes += n
            view = view[n:]


# Stacks -----------------------------------------------------------------------------------------------------------


class _Frame:
    """A frame as it was, because the child cannot look at those of other threads."""

    __slots__ = ("address", "size", "code", "line", "refs", "labels", "root")

    def __init__(self, frame, root):
        self.address = id(frame)
        self.size = sys.getsizeof(frame)
        self.code = frame.f_code
        self.line = frame.f_lineno
        self.root = root
        self.refs, self.labels = _frame_references(frame, gc.get_referents(frame), frame.f_back)


class _Stacks:
    """What every thread runs, without this module's own frames; and what else no object refers to."""

    def __init__(self, exception, redact):
        #: Addresses of what is ours and is not dumped.
        self.own = set()
        self.frames = []
        #: Pairs of a kind of root and an object.
        self.roots = []
        names = {} if redact else _thread_names()
        for thread, frame in sys._current_frames().items():
            kind = f"thread {names.get(thread, thread)}"
            called_us = False
            while frame is not None:
                if frame.f_globals is _GLOBALS or called_us:
                    called_us = frame.f_code.co_filename == _FROM_OUTSIDE and frame.f_code.co_name == "<module>"
                    if thread != _thread.get_ident():
                        self.own.add(id(frame))
                else:
                    self.frames.append(_Frame(frame, kind))
                frame = frame.f_back
        if exception is not None:
            self.roots.append(("exception", exception))
        current = getattr(sys, "_current_exceptions", dict)()
        for thread, error in current.items():
            error = error[1] if type(error) is tuple else error
            if error is not None:
                self.roots.append((f"thread {names.get(thread, thread)}", error))
        # Only what lives until the end: the address of anything else may become that of an object of the program.
        self.own.update(map(id, (self, self.own, self.frames, self.roots, self.__dict__)))
        for frame in self.frames:
            self.own.update((id(frame), id(frame.refs), id(frame.labels)))
        self.own.update(map(id, self.roots))

    def forget(self):
        """Lets go of everything: nothing of the program lives longer because of a dump."""
        self.frames.clear()
        self.roots.clear()
        self.own.clear()


def _thread_names():
    threading = sys.modules.get("threading")
    names = {}
    for thread, known in list(getattr(threading, "_active", {}).items()):
        try:
            name = object.__getattribute__(known, "_name")
        except AttributeError:
            continue
        if type(name) is str:
            names[thread] = _clean(name[:SHORT])
    return names


def _locals(frame):
    """The local variables of a function's frame; None of a frame that keeps them in a dictionary of its own.

    Before 3.13 looking makes a dictionary that would keep the values alive as long as the frame: it is emptied again.
    """
    if not frame.f_code.co_flags & 1:
        return None
    found = frame.f_locals
    if type(found) is not dict:
        return dict(found.items())
    values = dict(found)
    # It belongs to nobody but the frame, this variable and the call.
    if sys.getrefcount(found) <= 3:
        found.clear()
    return values


def _frame_references(frame, seen, back):
    """What a frame refers to, and by which labels. `seen` is what the collector sees: from 3.11 nothing while it runs."""
    refs, labels = [], []

    def add(label, value):
        if value is not None:
            refs.append(value)
            labels.append(label)

    add(".f_back", back)
    add(".f_code", frame.f_code)
    add(".f_globals", frame.f_globals)
    add(".f_builtins", frame.f_builtins)
    values = _locals(frame)
    known = set(map(id, refs))
    if values is None:
        if frame.f_locals is not frame.f_globals:
            add(".f_locals", frame.f_locals)
            known.add(id(frame.f_locals))
    else:
        cells = {}
        for value in seen:
            if type(value) is types.CellType:
                try:
                    cells.setdefault(id(value.cell_contents), value)
                except ValueError:
                    pass
        shared = frame.f_code.co_cellvars + frame.f_code.co_freevars
        for name, value in values.items():
            if name in shared:
                value = cells.get(id(value), value)
            refs.append(value)
            labels.append(name)
            known.add(id(value))
    for value in seen:
        # The rest lies on the stack of the interpreter: the iterator of a loop, for example.
        if id(value) not in known and value is not None:
            refs.append(value)
            labels.append(None)
    return refs, labels


# Types ------------------------------------------------------------------------------------------------------------

_GLOBALS = globals()
_real_mro_of = type.__dict__["__mro__"].__get__
_bases_of = type.__dict__["__bases__"].__get__
_base_of = type.__dict__["__base__"].__get__
_name_of = type.__dict__["__name__"].__get__
_flags_of = type.__dict__["__flags__"].__get__
_real_proxy_of = type.__dict__["__dict__"].__get__
_get_attribute = object.__getattribute__
_module_dict = types.ModuleType.__dict__["__dict__"].__get__
_function_name = types.FunctionType.__dict__["__name__"].__get__
_builtin_name = types.BuiltinFunctionType.__dict__["__name__"].__get__
_C_METHODS = (type(object.__init__), type(str.join), type(dict.__dict__["fromkeys"]))
_HEAP_TYPE = 1 << 9
_MANAGED_DICT = 1 << 4
_WITH_GC = 1 << 14
_GC_HEAD = 16

#: Attributes of built-in types that cost nothing to read, run nothing and make nothing.
_PLAIN = {
    types.FunctionType: ("__code__", "__defaults__", "__kwdefaults__", "__name__", "__qualname__"),
    types.BuiltinFunctionType: ("__self__",),
    types.TracebackType: ("tb_next",),
    types.GeneratorType: ("__name__", "__qualname__", "gi_yieldfrom"),
    types.CoroutineType: ("__name__", "__qualname__", "cr_await"),
    types.AsyncGeneratorType: ("__name__", "__qualname__", "ag_await"),
    BaseException: ("args", "__traceback__", "__context__", "__cause__"),
    types.CellType: ("cell_contents",),
}
#: By address, because a class may have an `__eq__` and a `__hash__` of its own.
_PLAIN = {id(cls): names for cls, names in _PLAIN.items()}
#: What a code object refers to; the collector does not know.
_CODE = ["co_consts", "co_names", "co_filename", "co_name"]
if _VERSION < (3, 11):
    _CODE += ["co_code", "co_varnames", "co_freevars", "co_cellvars"]
    _CODE += ["co_lnotab"] if _VERSION < (3, 10) else ["co_linetable"]
else:
    _CODE += ["co_qualname", "co_linetable", "co_exceptiontable"]
#: Where a suspended generator keeps its frame.
_GENERATORS = {
    types.GeneratorType: ("gi_frame", "gi_running"),
    types.CoroutineType: ("cr_frame", "cr_running"),
    types.AsyncGeneratorType: ("ag_frame", "ag_running"),
}


def _mro_of(cls):
    """The class and its bases. Some types of old Pythons are never made ready, and have none."""
    return _real_mro_of(cls) or (cls,)


def _proxy_of(cls):
    """What a class has in its dictionary."""
    return _real_proxy_of(cls) or {}


def _class_dict(cls):
    """The dictionary of a type itself, and not the view that `__dict__` gives."""
    inner = gc.get_referents(_real_proxy_of(cls))
    return inner[0] if inner and type(inner[0]) is dict else None


def _is_one_of(cls, classes):
    """`cls in classes` by identity: a class may have an `__eq__` of its own."""
    return any(cls is one for one in classes)


def _in_class(mro, name):
    """What a class or its bases have under a name; None where nothing."""
    for cls in mro:
        found = _proxy_of(cls).get(name)
        if found is not None:
            return found
    return None


def _names_in(code):
    """The names that a function and what is inside it use."""
    todo, names = [code], {}
    while todo:
        code = todo.pop()
        for name in chain(code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars):
            names[name] = None
        todo.extend(const for const in code.co_consts if type(const) is types.CodeType)
    return names


def _clean(text):
    """A text without halves of surrogate pairs, which UTF-8 does not have."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


class _Type:
    """What is known of a type: how to write its objects, and how to find the names of what they refer to."""

    __slots__ = ("cls", "mro", "head", "size", "plain", "names", "readers", "known", "quick", "samples", "has_values")

    def __init__(self, cls):
        self.cls = cls
        self.mro = _mro_of(cls)
        self.head = f', "type": {_quote(_clean(_name_of(cls)))}, "size": '
        size = _in_class(self.mro, "__sizeof__")
        # A `__sizeof__` in Python is the program's own code.
        self.size = sys.getsizeof if _is_one_of(type(size), _C_METHODS) else self._bare_size
        #: By number of references: what was found before.
        self.known = {}
        #: Pairs of a label and a function of the object.
        self.readers = None
        self.names = {}
        self.samples = _SAMPLES
        self.has_values = False
        self.quick = False

    def _bare_size(self, obj):
        size = object.__sizeof__(obj)
        return size + _GC_HEAD if _flags_of(self.cls) & _WITH_GC else size

    def prepare(self):
        """Finds out which attributes can be read without running anything of the program."""
        readers = []
        for cls in self.mro:
            for name, found in _proxy_of(cls).items():
                if type(found) is types.MemberDescriptorType and type(name) is str:
                    readers.append(("." + name, found.__get__))
            for name in _PLAIN.get(id(cls), ()):
                found = _proxy_of(cls).get(name)
                if found is not None:
                    readers.append(("." + name, found.__get__))
        self.readers = readers
        self.has_values = _VERSION >= (3, 11) and bool(_flags_of(self.cls) & _MANAGED_DICT)
        self.quick = (
            _in_class(self.mro, "__getattribute__") is _get_attribute_slot
            and _in_class(self.mro, "__getattr__") is None
        )
        if self.has_values:
            for cls in self.mro:
                for found in list(_proxy_of(cls).values()):
                    if type(found) is staticmethod or type(found) is classmethod:
                        found = found.__func__
                    elif type(found) is property:
                        found = found.fget
                    if type(found) is types.FunctionType:
                        self.add_names(_names_in(found.__code__))

    def add_names(self, names):
        """Adds attributes that instances may have. A descriptor of that name would run, so these are left out."""
        for name in names:
            if name in self.names or type(name) is not str:
                continue
            found = _in_class(self.mro, name)
            if found is None or _in_class(_mro_of(type(found)), "__get__") is None:
                self.names[name] = None


_get_attribute_slot = object.__dict__["__getattribute__"]


class _Template:
    """The labels of objects of one type with so many references, and how to see that they fit."""

    __slots__ = ("labels", "values", "places", "dictionary")

    def __init__(self, labels, found, quick, dictionary):
        self.labels = labels
        #: Where the dictionary of attributes is, which cannot be asked for.
        self.dictionary = dictionary
        self.places = [place for place, _, _ in found]
        if len(found) == 1:
            [(place, _, get)] = found
            self.values = lambda obj: (get(obj),)
            self.places = lambda ids: (ids[place],)
            return
        if quick and all(name is not None for _, name, _ in found):
            self.values = attrgetter(*[name for _, name, _ in found])
            self.places = itemgetter(*self.places)
            return
        getters = [get for _, _, get in found]
        self.values = lambda obj: [get(obj) for get in getters]
        places = self.places
        self.places = lambda ids: tuple([ids[place] for place in places])

    def fits(self, obj, refs, ids):
        if self.dictionary is not None and type(refs[self.dictionary]) is not dict:
            return False
        try:
            return tuple(map(id, self.values(obj))) == self.places(ids)
        except (AttributeError, ValueError):
            return False


# The walk ---------------------------------------------------------------------------------------------------------


class _Walk:
    """Every object once, as lines."""

    def __init__(self, options, out, stacks, objects):
        self.options = options
        self.out = out
        self.stacks = stacks
        self.objects = objects
        self.types = {}
        self.roots = {}
        #: Objects that are not in `objects` and were met.
        self.seen = set()
        self.kept_alive = None if options.fork else []
        #: Whether all containers are in `objects`. Those that the program has frozen are not.
        self.all_listed = not gc.get_freeze_count()
        self.attribute_names = None
        self.keys = _KeyLabels(self._key_label)
        self.index_labels = [f'"[{i}]"' for i in range(1024)]
        self.handlers = {
            str: self._str,
            int: self._int,
            float: self._float,
            bool: self._bool,
            bytes: self._bytes,
            list: self._list,
            tuple: self._tuple,
            dict: self._dict,
            types.ModuleType: self._module,
            types.FunctionType: self._function,
            types.CodeType: self._code,
            types.FrameType: self._frame,
            weakref.ReferenceType: self._weakref,
            memoryview: self._memoryview,
            type: self._class,
        }
        self.array = self._array_type()
        self.hidden = self._hidden()

    # Which objects

    def run(self):
        out = self.out
        self._find_roots()
        if self.options.redact:
            self.attribute_names = self._program_names()
        skip = self.hidden
        refs = []
        for frame in self.stacks.frames:
            refs += self._running_frame(frame)
            skip.add(frame.address)
        self.seen.update(skip)
        if not self.all_listed:
            self.seen.update(map(id, self.objects))
        refs += [obj for _, obj in self.stacks.roots]
        self._others(refs)
        objects = self.objects
        for at in range(0, len(objects), _BATCH):
            batch = objects[at : at + _BATCH]
            if not skip.isdisjoint(map(id, batch)):
                batch = [obj for obj in batch if id(obj) not in skip]
            self._others(self._lines(batch))
            out.flush()

    def _others(self, refs):
        """Writes what is referred to, is not listed, and was not met before; then what that refers to."""
        while refs:
            if self.all_listed:
                refs = list(filterfalse(gc.is_tracked, refs))
            met = dict(zip(map(id, refs), refs))
            new = set(met) - self.seen
            self.seen |= new
            fresh = [met[address] for address in new]
            if self.kept_alive is not None:
                self.kept_alive += fresh
            refs = []
            for at in range(0, len(fresh), _BATCH):
                refs += self._lines(fresh[at : at + _BATCH])
                if len(self.out.lines) > _BATCH:
                    self.out.flush()

    def _lines(self, objects):
        """Writes objects; returns what they refer to."""
        found = []
        known = self.types
        for obj in objects:
            cls = type(obj)
            try:
                handle, info = known[id(cls)]
            except KeyError:
                handle, info = known[id(cls)] = self._handler(cls), _Type(cls)
            try:
                refs = handle(obj, info)
            except Exception:
                # Whatever is wrong with one object, the others are to be dumped.
                refs = self._write(obj, info, gc.get_referents(obj), "")
            if refs:
                found += refs
        return found

    def _handler(self, cls):
        handler = self.handlers.get(cls) if type(cls) is type else None
        if handler is not None:
            return handler
        mro = _mro_of(cls)
        for base, handler in (
            (type, self._class),
            (dict, self._dict_subclass),
            (list, self._sequence_subclass),
            (tuple, self._sequence_subclass),
            (deque, self._sequence_subclass),
            (str, self._str_subclass),
            (bytes, self._bytes_subclass),
            (int, self._int_subclass),
            (types.ModuleType, self._module),
            (weakref.ReferenceType, self._weakref),
        ):
            if _is_one_of(base, mro):
                return handler
        if self.array is not None and _is_one_of(self.array, mro):
            return self._array
        if _is_one_of(cls, _GENERATORS):
            return self._generator
        if cls is set or cls is frozenset:
            return self._set
        return self._instance

    def _hidden(self):
        """Addresses of what this dump made and the collector lists."""
        hidden = self.stacks.own
        hidden.update(map(id, (self.objects, self.options, self.out, self.stacks, hidden)))
        for owner in (self.options, self.out, self):
            hidden.add(id(owner.__dict__))
        called_us = False
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_globals is _GLOBALS or called_us:
                hidden.add(id(frame))
                called_us = frame.f_code.co_filename == _FROM_OUTSIDE and frame.f_code.co_name == "<module>"
            frame = frame.f_back
        return hidden

    # Roots

    def _find_roots(self):
        roots = self.roots
        root = lambda obj, kind: roots.setdefault(id(obj), kind)
        modules = sys.modules
        root(modules, "interpreter")
        if type(modules) is dict:
            for module in modules.values():
                root(module, "sys.modules")
        for module in (sys, builtins):
            root(_module_dict(module), "interpreter")
        for number, handler in chain(_SIGNALS, self._handlers_of_signals()):
            self.stacks.roots.append((f"signal {self._signal_name(number)}", handler))
        for kind, obj in self.stacks.roots:
            root(obj, kind)

    def _handlers_of_signals(self):
        for number in _signal.valid_signals():
            try:
                handler = _signal.getsignal(number)
            except (OSError, ValueError):
                continue
            if handler is not None and type(handler) is not _signal.Handlers:
                yield number, handler

    def _signal_name(self, number):
        try:
            return _signal.Signals(number).name
        except ValueError:
            return str(int(number))

    def _root(self, address):
        kind = self.roots.get(address)
        return "" if kind is None else f', "root": {_quote(kind)}'

    def _program_names(self):
        """Identifiers that the program's text has: of attributes, functions and modules; no data."""
        names = set()
        for obj in self.objects:
            cls = type(obj)
            if cls is types.FunctionType:
                names.update(_names_in(obj.__code__))
            elif cls is types.ModuleType:
                names.update(key for key in _module_dict(obj) if type(key) is str and key.isidentifier())
            elif _is_one_of(type, _mro_of(cls)):
                names.update(key for key in _proxy_of(obj) if type(key) is str and key.isidentifier())
        return names

    # Values

    def _text(self, text):
        """A text as a JSON value: shortened, or what stands for it."""
        options = self.options
        if options.redact:
            return self._redacted(text)
        if options.values == "short" and len(text) > SHORT:
            text = text[:SHORT]
        return _quote(text if text.isascii() else _clean(text))

    def _redacted(self, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        digest = self.options.hash(data, digest_size=8, key=self.options.salt[:64]).hexdigest()
        return f'"redacted:{len(text)}:{digest}"'

    def _value(self, text):
        return "" if self.options.values == "none" else f', "value": {self._text(text)}'

    def _number(self, number):
        options = self.options
        if options.values == "none" or options.redact:
            return ""
        if -(10**30) < number < 10**30:
            return f', "value": {int.__repr__(number)}'
        return f', "value": "{int.__format__(number, "#x")}"' if options.values == "full" else ""

    def _key_label(self, key):
        """How a key is written in a label. Nothing of the program runs, so only built-in types are shown."""
        cls = type(key)
        if self.options.redact:
            if cls is str:
                if key in self.attribute_names:
                    return f"[{key!r}]"
                return f"['{self._redacted(key)[1:-1]}']"
            return f"[<{_clean(_name_of(cls))}>]"
        return f"[{self._shown_key(key, cls)}]"

    def _shown_key(self, key, cls):
        if cls is str or cls is bytes:
            more = "…" if cls is str else b"..."
            return repr(key if len(key) <= SHORT else key[:SHORT] + more)
        if cls is int and not -(10**30) < key < 10**30:
            return "<int>"
        if cls is int or cls is float or cls is bool or key is None:
            return repr(key)
        if cls is tuple and len(key) <= 4 and not any(type(part) is tuple for part in key):
            return f"({', '.join([self._shown_key(part, type(part)) for part in key])})"
        return f"<{_clean(_name_of(cls))}>"

    def _attribute_label(self, name):
        """The label of an instance's attribute, whose name may be data."""
        names = self.attribute_names
        if names is not None and name not in names:
            name = self._redacted(name)[1:-1]
        return "." + name

    def _indexes(self, n):
        """The labels of n items, ready to be written."""
        if n <= 1024:
            return ", ".join(self.index_labels[:n])
        return ", ".join([f'"[{i}]"' for i in range(n)])

    # Objects without references

    def _str(self, obj, info):
        n = len(obj)
        options = self.options
        if options.redact or options.values != "short" or not obj.isascii():
            value = self._value(obj)
        else:
            value = f', "value": {_quote(obj if n <= SHORT else obj[:SHORT])}'
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(obj)}, "len": {n}{value}, "refs": []}}'
        )

    def _bytes(self, obj, info):
        value = self._value(obj if self.options.redact else self._latin(obj))
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(obj)}, "len": {len(obj)}{value}, "refs": []}}'
        )

    def _latin(self, data):
        """Bytes as characters of the same numbers."""
        if self.options.values == "short":
            data = data[:SHORT]
        return data.decode("latin-1")

    def _int(self, obj, info):
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(obj)}{self._number(obj)}, "refs": []}}'
        )

    def _bool(self, obj, info):
        value = "" if self.options.values == "none" or self.options.redact else f', "value": "{obj!r}"'
        self.out.lines.append(f'{{"address": {id(obj)}{info.head}{info.size(obj)}{value}, "refs": []}}')

    _float = _bool

    # Containers

    def _list(self, obj, info):
        refs = obj[:]
        return self._write(obj, info, refs, self._indexes(len(refs)), f', "len": {len(refs)}')

    def _tuple(self, obj, info):
        return self._write(obj, info, obj, self._indexes(len(obj)), f', "len": {len(obj)}')

    def _set(self, obj, info):
        refs = gc.get_referents(obj)
        return self._write(obj, info, refs, "", f', "len": {len(obj)}')

    def _dict(self, obj, info):
        refs = list(chain.from_iterable(obj.items()))
        keys = self.keys
        # A dictionary of nothing but strings does not show its keys to the collector.
        if len(obj) <= 1024 and len(gc.get_referents(obj)) == len(obj):
            labels = ", ".join(map(keys.__getitem__, obj))
            if len(keys) > _REMEMBERED_KEYS:
                keys.clear()
        else:
            labels = ", ".join([keys.made(key) for key in obj])
        return self._write(obj, info, refs, labels, f', "len": {len(obj)}')

    def _dict_subclass(self, obj, info):
        items = list(dict.items(obj))
        refs = list(chain.from_iterable(items))
        labels = [self.keys.made(key) for key, _ in items]
        return self._with_rest(obj, info, refs, labels, len(items))

    def _sequence_subclass(self, obj, info):
        base = next(one for one in (list, tuple, deque) if _is_one_of(one, info.mro))
        refs = list(base.__iter__(obj))
        labels = [self._indexes(len(refs))] if refs else []
        return self._with_rest(obj, info, refs, labels, len(refs))

    def _with_rest(self, obj, info, refs, labels, n):
        """A container that has attributes beside its items."""
        items = set(map(id, refs))
        rest = [ref for ref in gc.get_referents(obj) if id(ref) not in items]
        if rest:
            of_rest = self._labels(obj, info, rest, list(map(id, rest)))
            if of_rest:
                labels.append(of_rest)
            elif labels:
                labels.append(", ".join(["null"] * len(rest)))
            refs += rest
        return self._write(obj, info, refs, ", ".join(labels), f', "len": {n}')

    # Texts and numbers with attributes

    def _str_subclass(self, obj, info):
        return self._atom(obj, info, f', "len": {str.__len__(obj)}{self._value(str.__str__(obj)[:])}')

    def _bytes_subclass(self, obj, info):
        data = bytes.__getitem__(obj, slice(None))
        value = self._value(data if self.options.redact else self._latin(data))
        return self._atom(obj, info, f', "len": {len(data)}{value}')

    def _int_subclass(self, obj, info):
        return self._atom(obj, info, self._number(int.__add__(obj, 0)))

    def _atom(self, obj, info, fields):
        refs = gc.get_referents(obj)
        return self._write(obj, info, refs, self._labels(obj, info, refs, list(map(id, refs))), fields)

    # Everything else

    def _instance(self, obj, info):
        refs = gc.get_referents(obj)
        return self._write(obj, info, refs, self._labels(obj, info, refs, list(map(id, refs))))

    def _function(self, obj, info):
        refs = gc.get_referents(obj)
        name = _function_name(obj)
        labels = self._labels(obj, info, refs, list(map(id, refs)))
        return self._write(obj, info, refs, labels, f', "name": {_quote(_clean(name))}')

    def _module(self, obj, info):
        refs = gc.get_referents(obj)
        space = _module_dict(obj)
        labels = ", ".join(['".__dict__"' if ref is space else "null" for ref in refs])
        name = space.get("__name__") if type(space) is dict else None
        name = f', "name": {_quote(_clean(name))}' if type(name) is str else ""
        return self._write(obj, info, refs, labels, name)

    def _class(self, obj, info):
        own = _class_dict(obj)
        named = [(own, ".__dict__"), (_real_mro_of(obj), ".__mro__")]
        named += [(_bases_of(obj), ".__bases__"), (_base_of(obj), ".__base__")]
        if _flags_of(obj) & _HEAP_TYPE:
            refs = gc.get_referents(obj)
        else:
            # The collector does not look into types of the interpreter itself.
            refs = [ref for ref, _ in named if ref is not None]
            self.roots.setdefault(id(obj), "static type")
        names = {id(ref): label for ref, label in named}
        names[id(info.cls)] = ".__class__"
        labels = ", ".join([f'"{names[id(ref)]}"' if id(ref) in names else "null" for ref in refs])
        return self._write(obj, info, refs, labels, f', "name": {_quote(_clean(_name_of(obj)))}')

    def _code(self, obj, info):
        found = [(name, getattr(obj, name)) for name in _CODE]
        refs = [ref for _, ref in found]
        labels = ", ".join([f'".{name}"' for name, _ in found])
        return self._write(obj, info, refs, labels, f', "name": {_quote(_clean(obj.co_name))}')

    def _weakref(self, obj, info):
        refs = gc.get_referents(obj)
        labels = self._labels(obj, info, refs, list(map(id, refs))) or ", ".join(["null"] * len(refs))
        target = weakref.ReferenceType.__call__(obj)
        weak = ""
        if target is not None:
            weak = f', "weak": [{len(refs)}]'
            refs = [*refs, target]
            labels = f'{labels}, "()"' if labels else '"()"'
        return self._write(obj, info, refs, labels, "", weak)

    def _memoryview(self, obj, info):
        refs = gc.get_referents(obj)
        try:
            owner = obj.obj
        except ValueError:
            owner = None
        labels = ["null"] * len(refs)
        if owner is not None:
            refs = [*refs, owner]
            labels.append('".obj"')
        return self._write(obj, info, refs, ", ".join(labels), f', "len": {self._view_bytes(obj)}')

    def _view_bytes(self, view):
        try:
            return view.nbytes
        except ValueError:
            return 0

    def _array_type(self):
        """numpy's arrays, where the program uses numpy. Their class has no references that the collector sees."""
        numpy = sys.modules.get("numpy")
        found = _module_dict(numpy).get("ndarray") if type(numpy) is types.ModuleType else None
        return found if type(found) is type else None

    def _array(self, obj, info):
        read = lambda name: _proxy_of(self.array)[name].__get__(obj)
        refs = gc.get_referents(obj)
        of_refs = self._labels(obj, info, refs, list(map(id, refs)))
        labels = [of_refs or ", ".join(["null"] * len(refs))] if refs else []
        refs = list(refs)
        for name in ("base", "dtype"):
            value = read(name)
            if value is not None:
                refs.append(value)
                labels.append(f'".{name}"')
        if read("dtype").kind == "O":
            items = list(read("flat"))
            refs += items
            if items:
                labels.append(self._indexes(len(items)))
        return self._write(obj, info, refs, ", ".join(labels), f', "len": {read("size")}')

    def _generator(self, obj, info):
        refs = gc.get_referents(obj)
        ids = list(map(id, refs))
        frame_name, running_name = _GENERATORS[info.cls]
        frame = None if getattr(obj, running_name) else getattr(obj, frame_name)
        labels = self._found_labels(obj, info, ids)
        if frame is not None and _VERSION >= (3, 11):
            cells = {}
            for ref in refs:
                if type(ref) is types.CellType and gc.get_referents(ref):
                    cells[id(gc.get_referents(ref)[0])] = id(ref)
            for name, value in (_locals(frame) or {}).items():
                for address in (id(value), cells.get(id(value))):
                    if address in ids and labels[ids.index(address)] is None:
                        labels[ids.index(address)] = name
        for place, ref in enumerate(refs):
            if type(ref) is types.FrameType:
                labels[place] = "." + frame_name
        code = obj.gi_code if info.cls is types.GeneratorType else None
        name = code.co_name if code is not None else object.__getattribute__(obj, "__name__")
        return self._write(
            obj, info, refs, self._joined(labels), f', "name": {_quote(_clean(name))}'
        )

    # Frames

    def _frame(self, obj, info):
        """A frame that nobody runs: of a traceback, or of a suspended generator before 3.11."""
        seen = gc.get_referents(obj)
        back = next((ref for ref in seen if type(ref) is types.FrameType), None)
        if _VERSION >= (3, 11) and not seen:
            # It belongs to a generator, which shows everything itself.
            refs, labels = [obj.f_code], [".f_code"]
        else:
            refs, labels = _frame_references(obj, seen, back)
        name, value = self._of_frame(obj.f_code, obj.f_lineno)
        return self._write(obj, info, refs, self._joined(labels), name + value)

    def _running_frame(self, frame):
        self.roots[frame.address] = frame.root
        name, value = self._of_frame(frame.code, frame.line)
        refs = ", ".join([str(id(ref)) for ref in frame.refs])
        self.out.lines.append(
            f'{{"address": {frame.address}, "type": "frame", "size": {frame.size}{name}{value}, "refs": [{refs}], '
            f'"labels": [{self._joined(frame.labels)}]{self._root(frame.address)}}}'
        )
        return frame.refs

    def _of_frame(self, code, line):
        name = f', "name": {_quote(_clean(code.co_name))}'
        return name, self._value(f"{code.co_filename}:{line or 0}")

    # Labels

    def _labels(self, obj, info, refs, ids):
        """The labels of an object's references, ready to be written; empty where none is known."""
        known = info.known.get(len(ids))
        if known is not None:
            for template in known:
                if template.fits(obj, refs, ids):
                    return template.labels
        found = []
        labels = self._found_labels(obj, info, ids, found)
        if info.has_values and info.samples and self.options.fork and None in labels:
            info.samples -= 1
            info.add_names(self._attributes(obj, info))
            found = []
            labels = self._found_labels(obj, info, ids, found)
        text = self._joined(labels)
        dictionary = labels.index(".__dict__") if ".__dict__" in labels else None
        n_known = len(found) + (dictionary is not None)
        # What has no label here may have one in the next object, unless there is nothing to read.
        if found and (n_known == len(ids) or not (info.readers or info.has_values)):
            known = info.known.setdefault(len(ids), [])
            known.insert(0, _Template(text, found, info.quick, dictionary))
            del known[4:]
        return text

    def _attributes(self, obj, info):
        """The names of an object's attributes, from its dictionary.

        Since 3.11 asking for it makes one. Only the child asks, only for some objects of a type, and it has looked at
        their references before, so that neither the program nor the dump ever has these dictionaries.
        """
        descriptor = _in_class(info.mro, "__dict__")
        if type(descriptor) is not types.GetSetDescriptorType:
            return ()
        try:
            found = descriptor.__get__(obj)
        except Exception:
            return ()
        return list(found) if type(found) is dict else ()

    def _found_labels(self, obj, info, ids, found=None):
        """The label of every reference; None where it is not known. `found` gets place, name and way of each."""
        if info.readers is None:
            info.prepare()
        labels = [None] * len(ids)
        places = {}
        for place in range(len(ids) - 1, -1, -1):
            places.setdefault(ids[place], []).append(place)

        def note(value, label, name, get):
            at = places.get(id(value))
            if at:
                place = at.pop()
                labels[place] = label
                if found is not None:
                    found.append((place, name, get))

        for label, get in info.readers:
            try:
                note(get(obj), label, None, get)
            except Exception:
                # A slot without a value.
                continue
        if info.has_values:
            for name in info.names:
                try:
                    value = _get_attribute(obj, name)
                except Exception:
                    continue
                label = self._attribute_label(name)
                note(value, label, name, lambda obj, name=name: _get_attribute(obj, name))
        note(info.cls, ".__class__", "__class__", type)
        if None in labels:
            self._label_dict(obj, info, ids, labels)
        return labels

    def _label_dict(self, obj, info, ids, labels):
        """Finds the dictionary of attributes among what has no label yet, without asking for it."""
        if info.cls is types.FunctionType:
            return self._label_function(obj, ids, labels)
        descriptor = _in_class(info.mro, "__dict__")
        if type(descriptor) is not types.GetSetDescriptorType:
            return
        for place, ref in enumerate(gc.get_referents(obj)):
            if type(ref) is dict and id(ref) in ids:
                place = ids.index(id(ref))
                if labels[place] is None:
                    labels[place] = ".__dict__"
                    return

    def _label_function(self, obj, ids, labels):
        """A function's `__dict__` lies behind its name; `__annotations__` behind its closure."""
        refs = gc.get_referents(obj)
        code = obj.__code__
        arguments = set(code.co_varnames) | {"return"}
        for place, ref in enumerate(refs):
            if labels[place] is None and type(ref) is dict:
                is_annotations = all(type(key) is str and key in arguments for key in ref)
                labels[place] = ".__annotations__" if is_annotations and ref else ".__dict__"

    def _joined(self, labels):
        if all(label is None for label in labels):
            return ""
        return ", ".join(["null" if label is None else _quote(_clean(label)) for label in labels])

    # Lines

    def _write(self, obj, info, refs, labels, fields="", more=""):
        address = id(obj)
        ids = str(list(map(id, refs)))
        if labels:
            more = f', "labels": [{labels}]{more}'
        if address in self.roots:
            more += self._root(address)
        self.out.lines.append(
            f'{{"address": {address}{info.head}{info.size(obj)}{fields}, "refs": {ids}{more}}}'
        )
        return refs


class _KeyLabels(dict):
    """By key of a dictionary, the labels of the references to the key and to its value, ready to be written."""

    def __init__(self, label):
        self._label = label

    def made(self, key):
        return f'"<key>", {_quote(self._label(key))}'

    def __missing__(self, key):
        made = self[key] = self.made(key)
        return made
