# The file -----------------------------------------------------------------------------------------------------------


def _write_held():
    """`posix.write` of bytes that lets no other thread run meanwhile."""
    write = _native("write", _Long, _Text, _Long, result=_Signed)
    errno = _native("__errno_location", result=_Long)

    def write_held(fd, view):
        n = write(fd, bytes(view), len(view))
        if n < 0:
            number = _Int.from_address(errno()).value
            raise OSError(number, posix.strerror(number))
        return n

    return write_held


class _Output:
    """Lines to a compressed file, compressed beside the walk where there is a child."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, options, progress):
        self.lines = []
        self.n_lines = 0
        # Dumps hold whatever the program held: nobody else may read them.
        self._fd = posix.open(options.part, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600)
        self._n_bytes = 0
        # Where memory is short, other threads get their turn rather than the text its room.
        self._held = None if options.fork or options.reason else []
        self._n_held = 0
        if options.compress == "gzip":
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        elif options.compress == "zstd":
            packer = _zstd.ZstdCompressor()
        else:
            packer = None
        self._packer = packer
        kept = options.stops_others and _IS_NATIVE
        self._write = _write_held() if kept else posix.write
        self._failed = None
        self._todo = None
        self._progress = progress
        if options.fork:
            self._todo, self._room, self._done = SimpleQueue(), SimpleQueue(), SimpleQueue()
            for _ in range(4):
                self._room.put(None)
            try:
                _start_thread(self._work, ())
            except RuntimeError:
                # An interpreter that may not, or that is about to end: compressing is done in between.
                self._todo = None

    def flush(self):
        """Hands over the lines that are there."""
        if not self.lines:
            return
        self.n_lines += len(self.lines)
        self._progress(self.n_lines)
        self.lines.append("")
        text = "\n".join(self.lines).encode("ascii")
        self.lines.clear()
        self._hand_over(text)

    def piece(self, text, n_lines=0):
        """Hands over a part of a line that is too long to be made at once, and with its end the line."""
        self.flush()
        self._hand_over(text.encode("ascii"))
        self.n_lines += n_lines

    def _hand_over(self, text):
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
        if self._write is posix.write:
            posix.fsync(self._fd)
        posix.close(self._fd)
        self._fd = None
        return self._n_bytes

    def abandon(self):
        if self._fd is not None:
            posix.close(self._fd)
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
            n = self._write(self._fd, view)
            self._n_bytes += n
            view = view[n:]
