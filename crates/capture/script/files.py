# Occasions --------------------------------------------------------------------------------------------------------

#: What takes back what was installed.
_installed = []


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
