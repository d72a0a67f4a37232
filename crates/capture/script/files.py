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

    def _path(self, reason=""):
        pid = posix.getpid()
        if pid != self._pid:
            # After a fork of the program: the files of the parent are the parent's.
            self._pid, self._written, self._count = pid, [], 0
        self._count += 1
        moment = _original(time, "strftime")("%Y%m%dT%H%M%S", _original(time, "localtime")(_time()))
        return os.path.join(self._folder, f"heap-{pid}-{moment}-{self._count}{reason}.dump.gz")

    def _note(self, result):
        if self._keep is None:
            return
        self._written.append(result["path"])
        while len(self._written) > self._keep:
            _remove(self._written.pop(0))


class _Timer:
    """Makes a dump every so often, in this process and in those that it forks."""

    def __init__(self, seconds, files):
        self._seconds = seconds
        self._files = files
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
            self._files.dump_quietly()


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
