# Here or in a child -------------------------------------------------------------------------------------------------


class _Options:
    """What a dump should be like, checked."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, path, values="short", redact=False, salt=None, compress=None, fork=True, mask=MASKS):
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
        if _IS_FREE_THREADED:
            raise CaptureError(_WHY_NO_FORK)
        if fork and _fork is None:
            raise CaptureError(_WHY_NO_FORK)
        if salt is not None and not isinstance(salt, (bytes, bytearray)):
            raise CaptureError("salt must be bytes")
        mask = () if mask is None else mask
        if isinstance(mask, (str, bytes)) or not all(isinstance(word, str) and word for word in mask):
            raise CaptureError("mask must be words, a list of texts")
        # With redact there is nothing more to hide.
        #: Read before a dump turns the collector off for itself.
        self.collector = {"enabled": gc.isenabled(), "threshold": gc.get_threshold()[0]}
        #: Why there is a dump, if not because somebody asked for it.
        self.reason = None
        #: Whether nothing is called that lets other threads run.
        self.stops_others = False
        self.masks = _Masks(() if redact else mask)
        self.values = values
        self.redact = bool(redact)
        self.salt = bytes(salt) if salt is not None else posix.urandom(16)
        self.compress = compress
        self.fork = bool(fork)
        self.part = f"{self.path}.{posix.getpid()}-{int(_time() * 1e9)}.part"


class _Job:
    """A dump that is to be made: here, or by a child."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, options, exception, answer_to=None, status=None):
        self.options = options
        self.exception = exception
        #: A pipe for progress and the answer; a file for the answer.
        self.answer_to = answer_to
        self.status = status
        self.header = _header(options)
        #: What Python and C say of their memory.
        self.allocators = {}
        #: What the thread that forks has on its stack.
        self.forking = None
        self.out = None

    def here(self):
        """Writes the dump; the result."""
        self.allocators = _allocators()
        return self._write(None)

    def work(self):
        """Writes the dump in the child, and ends it. No lock, thread or open file of the program is used."""
        try:
            self.allocators = _allocators()
            gc.unfreeze()
            objects = gc.get_objects()
            self._prepare()
            self._answer(self._result(objects))
        finally:
            posix._exit(0)

    def _prepare(self):
        # Sockets and files that the program closes must not stay open because of the child; nor does who reads what
        # the program prints have to wait for it.
        nothing = posix.open("/dev/null", posix.O_RDWR)
        for fd in range(3):
            posix.dup2(nothing, fd, False)
        kept = sorted({fd for fd in (self.answer_to, self.status and self.status.lock) if fd is not None})
        for first, end in zip([3, *[fd + 1 for fd in kept]], [*kept, _most_files()]):
            posix.closerange(first, end)
        # If memory is short, the kernel should take it from the child.
        try:
            fd = posix.open("/proc/self/oom_score_adj", posix.O_WRONLY)
            posix.write(fd, b"1000")
            posix.close(fd)
        except OSError:
            pass
        sys.setswitchinterval(0.0005)
        self._say(b"%d\n" % posix.getpid())

    def _result(self, objects):
        options = self.options
        try:
            return self._write(objects)
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
        _remove(options.part)
        return result

    def _write(self, objects):
        start = _clock()
        options = self.options
        out = self.out = _Output(options, self._progress)
        try:
            counts = _raw_counts(objects) if objects is not None else None
            stacks = _Stacks(self, objects)
            if objects is None:
                # The list that the interpreter keeps for `repr` of containers must be among the objects: the state of
                # this thread refers to it once a line has been written.
                repr([None])
                # After the stacks: other threads go on, and what frames refer to must be among the objects.
                objects = gc.get_objects()
                counts = _raw_counts(objects)
                stacks.hide()
            stacks.add_greenlets(objects)
            stacks.add_states(objects)
            walk = _Walk(options, out, stacks, objects, counts)
            out.lines.append(self._head())
            walk.run()
            end = {"objects": out.n_lines + len(out.lines) - 1}
            out.lines.append(_as_json({"address": 1, "type": "heaplake capture", "size": 0, "end": end, "refs": []}))
            n_bytes = out.close()
        except BaseException:
            out.abandon()
            raise
        posix.rename(options.part, options.path)
        return {"path": options.path, "objects": end["objects"], "bytes": n_bytes, "seconds": _clock() - start}

    def _head(self):
        """The first line."""
        memory = self.header["memory"]
        memory.update(self.allocators)
        memory.update(_mappings(self.header["pid"], _running_frames()))
        return _as_json({"address": 0, "type": "heaplake capture", "size": 0, "capture": self.header, "refs": []})

    def _progress(self, n_objects):
        if self.options.fork:
            _fork.alive()
            self._say(b"%d\n" % n_objects)

    def _say(self, data):
        if self.answer_to is not None:
            try:
                posix.write(self.answer_to, data)
            except OSError:
                # The parent is gone. The dump is wanted all the same.
                pass

    def _answer(self, result):
        if self.status is not None:
            self.status.write(result)
        self._say(b"=" + marshal.dumps(result))


class _Child:
    """A child that writes a dump, as its parent sees it."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, first, pipe, options, pause):
        #: The child whose child it is; it ends at once.
        self.first = first
        self.pipe = pipe
        self._options = options
        self.pause = pause

    def result(self):
        """Waits for the child; what it did, or an error."""
        said = b""
        heard = _clock()
        try:
            _reap(self.first)
            while True:
                more = posix.read(self.pipe, 1 << 16)
                if not more:
                    break
                said += more
                heard = _clock()
        except BaseException:
            # Whoever waited was interrupted, and does not want the dump any more.
            self._end(said)
            raise
        finally:
            posix.close(self.pipe)
        progress, _, answer = said.partition(b"=")
        pid = progress.partition(b"\n")[0]
        if pid:
            # Where the program is the first process of a container, children of children are its own in the end.
            _reap(int(pid))
        if not answer:
            _remove(self._options.part)
            n_objects = (progress.split(b"\n")[1:] or [b""])[-2:][0] or b"0"
            why = "was killed or crashed"
            if _clock() - heard > _STALL * 0.9:
                why = f"made no progress for {_STALL} s and was ended"
            path = self._options.path
            raise CaptureError(f"{path}: the child that wrote it {why}, after {int(n_objects)} objects")
        result = marshal.loads(answer)
        if "error" in result:
            raise CaptureError(result["error"])
        result["pause"] = self.pause
        return result

    def _end(self, said):
        pid = said.partition(b"\n")[0]
        if pid:
            try:
                posix.kill(int(pid), _signal.SIGKILL)
            except OSError:
                pass
        _remove(self._options.part)

    def watch(self, then, turn):
        """Waits for the child in a thread of its own; then calls what is to be done with the result."""
        try:
            result = self.result()
            if then is not None:
                then(result)
        except Exception as error:
            _say(str(error))
        finally:
            turn.give_back()


def _say(text):
    try:
        posix.write(2, f"heaplake_dump: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


def _reap(pid):
    try:
        posix.waitpid(pid, 0)
    except OSError:
        # It is not our child, or the program waits for any child and was first.
        pass


def _dump_in_child(options, exception, status=None):
    """Lets a child write the dump."""
    reading, writing = posix.pipe()
    try:
        start = _clock()
        first = _fork(_Job(options, exception, writing, status))
        pause = _clock() - start
    except BaseException:
        posix.close(reading)
        raise
    finally:
        posix.close(writing)
    return _Child(first, reading, options, pause)


def _most_files():
    try:
        return max(map(int, posix.listdir("/proc/self/fd"))) + 1
    except (OSError, ValueError):
        return min(posix.sysconf("SC_OPEN_MAX"), 1 << 16)


def _dump_here(options, exception):
    """Writes the dump in this process, with other threads held off as far as Python can."""
    turn = sys.getswitchinterval()
    collecting = gc.isenabled()
    start = _clock()
    sys.setswitchinterval(_TURN)
    gc.disable()
    try:
        result = _Job(options, exception).here()
    except OSError as error:
        _remove(options.part)
        raise CaptureError(f"{options.path}: {error.strerror or error}") from error
    except BaseException:
        _remove(options.part)
        raise
    finally:
        if collecting:
            gc.enable()
        sys.setswitchinterval(turn)
    result["pause"] = _clock() - start
    return result


def _remove(path):
    try:
        posix.unlink(path)
    except OSError:
        pass


def _as_json(value):
    """A value of the header as JSON."""
    if type(value) is dict:
        return "{" + ", ".join([f"{_quote(key)}: {_as_json(part)}" for key, part in value.items()]) + "}"
    if type(value) is list:
        return "[" + ", ".join(map(_as_json, value)) + "]"
    if type(value) is str:
        return _quote(_clean(value))
    return {None: "null", True: "true", False: "false"}[value] if value is None or type(value) is bool else repr(value)


def _header(options):
    """What the first line says of the process; the rest of its memory is found out later."""
    now = _time()
    moment = _original(time, "strftime")("%Y-%m-%dT%H:%M:%S", _original(time, "gmtime")(now))
    memory = _process_memory()
    return {
        "format": FORMAT,
        "time": f"{moment}.{int(now % 1 * 1e6):06}Z",
        "pid": posix.getpid(),
        "host": None if options.redact else posix.uname().nodename,
        "python": ".".join(map(str, sys.version_info[:3])),
        "command": None if options.redact else _command(options),
        "rss": memory.pop("rss"),
        "values": options.values,
        "redact": options.redact,
        "fork": options.fork,
        "memory": memory,
        "interpreters": _interpreters(),
        "collector": options.collector,
        "reason": options.reason,
    }


def _command(options):
    """The command line. Of a part with a secret the name remains."""
    command = getattr(sys, "orig_argv", None) or [sys.executable or "python", *getattr(sys, "argv", [])]
    command = [part if type(part) is str else "" for part in command]
    for at in options.masks.secret_arguments(command):
        name, has_value, _ = command[at].partition("=")
        command[at] = name + "=<masked>" if has_value and options.masks.cover(name) else "<masked>"
    return command
