# What is installed --------------------------------------------------------------------------------------------------


def install(*, signal=None, every=None, on_memory_error=False, at_memory=None, dir=".", keep=None, **options):
    """Arranges for dumps to come: at a signal, every N seconds, at a MemoryError that nobody catches, near a limit of memory.

    `at_memory` is a part of the limit of the process's control group, as 0.7, or a number of bytes for the process itself.

    Files go to `dir`, as heap-PID-TIME-N.dump.gz; `keep` is how many of them to keep, the oldest go. Other options are
    those of `dump`, but `wait`. May be called again for another occasion; `uninstall()` takes everything back.
    """
    if every is not None and not every > 0:
        raise CaptureError("every must be a number of seconds above 0")
    if signal is None and every is None and at_memory is None and not on_memory_error:
        raise CaptureError("nothing to install: give signal, every, on_memory_error or at_memory")
    files = _Files(dir, keep, options)
    if signal is not None:
        previous = _signal.signal(signal, lambda number, frame: files.dump_quietly(wait=False))
        _installed.append(lambda: _signal.signal(signal, previous))
    if every is not None:
        _installed.append(_Timer(every, files.dump_quietly).stop)
    if at_memory is not None:
        _installed.append(_Timer(_LOOK, _AtMemory(files, at_memory).look).stop)
    if on_memory_error:
        _install_hooks(files)


def uninstall():
    """Takes back everything that `install` arranged."""
    while _installed:
        _installed.pop()()


class memory_errors:
    """`with memory_errors(dir="/tmp"): ...` dumps when a MemoryError leaves the block; the error goes on its way."""

    def __init__(self, *, dir=".", keep=None, **options):
        self._files = _Files(dir, keep, options)
        # Freed when the error comes, so that there is room to act.
        self._reserve = None

    def __enter__(self):
        self._reserve = _Reserve()
        return self

    def __exit__(self, kind, error, traceback):
        reserve, self._reserve = self._reserve, None
        reserve.free()
        if kind is not None and issubclass(kind, MemoryError):
            self._files.dump_of_memory_error(error)
        return False
