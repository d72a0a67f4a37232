# A dump -------------------------------------------------------------------------------------------------------------


def dump(path, *, fork=True, values="short", redact=False, salt=None, compress=None, wait=True, exception=None, mask=MASKS):
    """Writes a dump to `path` and returns what is known of it: path, objects, bytes and seconds.

    fork       the child of a fork writes, the program goes on; False: the program stands still until it is done
    values     text of strings and numbers: "none", "short" (the first 100 characters) or "full"
    redact     no text of the program's data: its length and a salted hash stand for it
    salt       bytes for these hashes; by default new ones in every dump, so that dumps cannot be compared by them
    mask       words that names of secrets contain: the texts and numbers under such keys, attributes and variables are
               redacted; (*MASKS, "pin") for more, None for none
    compress   "gzip", "zstd" (Python 3.14), or "none"; by default what the end of the path says: .gz, .zst
    wait       False: return as soon as there is a child; what goes wrong is said on stderr.
               A function: the same, and it is called with the result
    exception  an exception that is being handled, whose traceback keeps objects alive
    """
    options = _Options(path, values, redact, salt, compress, fork, mask)
    options.reason = _reason_of(exception)
    return _dump(options, wait, exception)


def _dump(options, wait=True, exception=None):
    turn = options.turn = _Turn()
    is_watched = False
    try:
        if not options.fork:
            return _dump_here(options, exception)
        child = _dump_in_child(options, exception)
        if wait is True:
            return child.result()
        _start_thread(child.watch, (wait or None, turn))
        is_watched = True
        return {"path": options.path, "pause": child.pause}
    finally:
        if not is_watched:
            turn.give_back()


def _reason_of(exception):
    """The name of the exception for which a dump is made."""
    return None if exception is None else _type_name(type(exception))


#: By process id, what has the turn: a process that was forked while a dump was written does not wait for it.
_turns = {}


class _Turn:
    """One dump of this process at a time."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self):
        self._pid, turn = posix.getpid(), _clock()
        if _turns.setdefault(self._pid, turn) is not turn:
            raise CaptureError("another dump of this process is being written")

    def give_back(self):
        _turns.pop(self._pid, None)


class _Status:
    """The file that tells heaplake, outside of the process, what came of it.

    A lock on a file beside it is held until there is an answer, or nobody is there any more who could give one.
    """

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, path):
        self._path = os.fsdecode(path)
        self.lock = posix.open(self._path + ".lock", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        if _IS_NATIVE:
            _native("flock", _Long, _Long)(self.lock, 2)

    def write(self, result):
        fd = posix.open(self._path + ".part", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        posix.write(fd, _as_json(result).encode())
        posix.close(fd)
        posix.rename(self._path + ".part", self._path)


def _remote(path, status, **options):
    """The entry of `heaplake capture python`: dumps from within another program and leaves nothing there."""
    status = _Status(status)
    try:
        try:
            checked = _Options(path, **options)
            if checked.fork:
                child = _dump_in_child(checked, None, status)
                posix.close(child.pipe)
                _reap(child.first)
                return
            answer = _dump_here(checked, None)
        except Exception as error:
            answer = {"error": str(error)}
        status.write(answer)
    finally:
        posix.close(status.lock)
