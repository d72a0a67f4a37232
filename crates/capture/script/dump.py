# A dump -------------------------------------------------------------------------------------------------------------


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
