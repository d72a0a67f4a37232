# Occasions ----------------------------------------------------------------------------------------------------------

#: What takes back what was installed.
_installed = []


class _Files:
    """Where dumps go that come by themselves."""

    def __init__(self, folder, keep, options):
        self._folder = os.path.abspath(os.fspath(folder))
        self._keep = keep
        self._options = dict(options)
        self._pid = None
        try:
            posix.stat(self._folder)
        except OSError as error:
            raise CaptureError(f"{self._folder}: {error.strerror}") from None
        if not os.path.isdir(self._folder):
            raise CaptureError(f"{self._folder} is no folder")
        if not posix.access(self._folder, posix.W_OK | posix.X_OK, effective_ids=True):
            raise CaptureError(f"this process may not write into {self._folder}")
        if keep is not None and keep < 1:
            raise CaptureError("keep must be 1 at least")
        _Options("x.gz", **options)

    def dump_quietly(self, wait=True):
        """Makes a dump, or starts one; what goes wrong is said, and never raised into a program that did not ask."""
        try:
            if wait:
                self._note(dump(self._path(), **self._options))
            else:
                dump(self._path(), wait=self._note, **self._options)
        except Exception as error:
            _say(f"no dump was written: {error}")

    def dump_of_memory_error(self, error):
        """Makes a dump of a process without memory, by itself where it cannot even fork."""
        options = {"exception": error, **self._options}
        for fork in (True, False) if options.pop("fork", True) else (False,):
            try:
                self._note(dump(self._path("-memory-error"), fork=fork, **options))
                return
            except Exception as failure:
                _say(f"no dump was written: {failure}")

    def dump_at_limit(self, has_room):
        """Makes a dump of a process that nears its limit: in a child only where there is room for a copy of its pages."""
        given = {**self._options, "compress": None}
        for fork in (True, False) if given.pop("fork", True) and has_room else (False,):
            try:
                options = _Options(self._path("-memory-limit", "" if not fork else ".gz"), fork=fork, **given)
                options.reason = "memory limit"
                # What the program took meanwhile would be what the dump needs; compressing lets other threads run.
                options.stops_others = not fork
                self._note(_dump(options))
                return
            except Exception as failure:
                _say(f"no dump was written: {failure}")

    def _path(self, reason="", ending=".gz"):
        pid = posix.getpid()
        if pid != self._pid:
            # After a fork of the program: the files of the parent are the parent's.
            self._pid, self._written, self._count = pid, [], 0
        self._count += 1
        moment = _original(time, "strftime")("%Y%m%dT%H%M%S", _original(time, "localtime")(_time()))
        return os.path.join(self._folder, f"heap-{pid}-{moment}-{self._count}{reason}.dump{ending}")

    def _note(self, result):
        if self._keep is None:
            return
        self._written.append(result["path"])
        while len(self._written) > self._keep:
            _remove(self._written.pop(0))


class _Timer:
    """Does something every so often, in this process and in those that it forks."""

    def __init__(self, seconds, then):
        self._seconds = seconds
        self._then = then
        self._stop = None
        self.start()
        # A fork leaves the thread behind.
        posix.register_at_fork(after_in_child=self._start_again)

    def start(self):
        self._stop = _new_lock()
        self._stop.acquire()
        _start_thread(self._repeat, (self._stop,))

    def stop(self):
        stop, self._stop = self._stop, None
        if stop is not None:
            stop.release()

    def _start_again(self):
        if self._stop is not None:
            self.start()

    def _repeat(self, stop):
        while not stop.acquire(True, self._seconds):
            self._then()


#: Seconds between two looks at the memory.
_LOOK = 0.2
#: Seconds that the main thread has to begin what it is asked to do.
_BEGIN = 0.5
#: Functions that the main thread may still call.
_callbacks = []


def _in_main_thread(then):
    """Lets the main thread do something, as soon as it runs code of Python, and waits for it; whether it did.

    What it does itself keeps it from doing anything else: a thread that never waits would go on beside any other.
    """
    if not _IS_NATIVE:
        return False
    begun, done = _new_lock(), _new_lock()
    begun.acquire()
    done.acquire()
    # Who takes the only entry acts; the other one comes too late.
    turn = [None]

    def act(_):
        if turn and turn.pop() is None:
            begun.release()
            try:
                then()
            finally:
                done.release()
        return 0

    try:
        callback = _Callback(act)
    except (MemoryError, OSError):
        # A system that allows no code in memory.
        return False
    # For good: it may be called late.
    _callbacks.append(callback)
    if _native("Py_AddPendingCall", _Long, _Long)(_word(_ctypes.addressof(callback)), 0) != 0:
        return False
    if not begun.acquire(True, _BEGIN) and turn:
        turn.clear()
        return False
    done.acquire()
    return True


class _AtMemory:
    """Makes a dump when the process, or its control group, has so much memory; again once it was well below."""

    def __init__(self, files, at):
        self._files = files
        self._at = at
        self._is_armed = True
        if not at > 0 or 1 <= at < 1 << 20:
            raise CaptureError("at_memory must be a part of the limit, as 0.7, or bytes, 1048576 at least")
        if self._nearest() is None:
            raise CaptureError("this process has no limit of memory (cgroup) that it could read; give at_memory in bytes")

    def _nearest(self):
        """Bytes in use and the limit, of what is nearest to its limit."""
        if self._at >= 1:
            rss = _process_status()["rss"]
            return None if rss is None else (rss, self._at)
        states = [group.used_and_limit() for group in _memory_groups()]
        return max([state for state in states if state], key=lambda state: state[0] / max(state[1], 1), default=None)

    def look(self):
        state = self._nearest()
        if state is None:
            return
        used, limit = state
        at = self._at * limit if self._at < 1 else limit
        if used < at * 0.9:
            self._is_armed = True
        elif used >= at and self._is_armed:
            self._is_armed = False
            # Below a limit there is no room for the pages that the kernel copies as a child looks at them, nor for what the
            # program takes meanwhile.
            has_room = self._at >= 1
            if has_room or not _in_main_thread(lambda: self._files.dump_at_limit(False)):
                self._files.dump_at_limit(has_room)


def _install_hooks(files):
    reserve = _Reserve()

    def at_error(kind, error):
        if kind is not None and issubclass(kind, MemoryError):
            reserve.free()
            files.dump_of_memory_error(error)

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
    _installed.append(reserve.free)
