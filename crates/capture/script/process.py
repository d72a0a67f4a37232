# Here or in a child -----------------------------------------------------------------------------------------------

#: Held while a dump of this process is being written.
_busy = _thread.allocate_lock()


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


def _say(text):
    try:
        os.write(2, f"heaplake_dump: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


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
