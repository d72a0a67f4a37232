# References that the interpreter counts -----------------------------------------------------------------------------
#
# How many references there are to each object that the collector tracks. The import subtracts those that the dump
# explains, as the collector itself does; what remains is held by C code. The counts are read before anything is done with the
# objects, and do not contain the references of the capture.

_reference_count = _original(sys, "getrefcount")
#: Counts from here on are no counts: the object is never freed (3.12 and later).
_IMMORTAL = 1 << 30


def _raw_counts(objects):
    """The counts of a list of objects, each with the same number of references that the counting itself makes."""
    return list(map(_reference_count, objects))


def _references_of_counting():
    probe = []
    return _raw_counts([probe])[0] - 1


_OF_COUNTING = _references_of_counting()


class _Counts:
    """The counts of some objects, without the references of objects that are not dumped."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, objects, raw, hidden, running):
        self.raw = raw
        self.fields = _CountFields()
        #: By address, what is to be added to a count.
        self.added = {}
        ran = {frame.address for frame in running}
        for obj in objects:
            if id(obj) in hidden:
                self._add_all(gc.get_referents(obj), -1)
            elif type(obj) is types.FrameType and id(obj) not in ran and gc.get_referents(obj):
                self._lends(obj)
        for frame in running:
            self._lends(frame.frame)
            # A variable that functions share is in a cell, which is not to be seen since 3.11.
            shared = frame.code.co_cellvars + frame.code.co_freevars
            values = zip(frame.refs, frame.labels)
            self._add_all([ref for ref, label in values if label in shared and type(ref) is not types.CellType], 1)

    def _add_all(self, refs, n):
        added = self.added
        for address in map(id, refs):
            added[address] = added.get(address, 0) + n

    def _lends(self, frame):
        """Since 3.11 a frame has its globals and builtins from its function, and is written as if it held them, too."""
        if _VERSION >= (3, 11):
            space = frame.f_globals
            # What a module runs has its globals as local variables, and holds these.
            holds = not frame.f_code.co_flags & 1 and frame.f_locals is space
            self._add_all([frame.f_builtins] if holds else [space, frame.f_builtins], 1)

    def field(self, address, raw):
        """The field of an object whose count is not as it was read."""
        return self.fields[raw + self.added[address]]


class _CountFields(dict):
    """The fields of counts, by these as they were read; empty where it is none."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __missing__(self, raw):
        n = raw - _OF_COUNTING
        field = f', "refcount": {n}' if 0 < n < _IMMORTAL else ""
        if raw < 1000:
            self[raw] = field
        return field
