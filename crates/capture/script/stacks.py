# Stacks -----------------------------------------------------------------------------------------------------------


class _Frame:
    """A frame as it was, because the child cannot look at those of other threads."""

    __slots__ = ("address", "size", "code", "line", "refs", "labels", "root")

    def __init__(self, frame, root):
        self.address = id(frame)
        self.size = sys.getsizeof(frame)
        self.code = frame.f_code
        self.line = frame.f_lineno
        self.root = root
        self.refs, self.labels = _frame_references(frame, gc.get_referents(frame), frame.f_back)


class _Stacks:
    """What every thread runs, without this module's own frames; and what else no object refers to."""

    def __init__(self, exception, redact):
        #: Addresses of what is ours and is not dumped.
        self.own = set()
        self.frames = []
        #: Pairs of a kind of root and an object.
        self.roots = []
        names = {} if redact else _thread_names()
        for thread, frame in sys._current_frames().items():
            kind = f"thread {names.get(thread, thread)}"
            called_us = False
            while frame is not None:
                if frame.f_globals is _GLOBALS or called_us:
                    called_us = frame.f_code.co_filename == _FROM_OUTSIDE and frame.f_code.co_name == "<module>"
                    if thread != _thread.get_ident():
                        self.own.add(id(frame))
                else:
                    self.frames.append(_Frame(frame, kind))
                frame = frame.f_back
        if exception is not None:
            self.roots.append(("exception", exception))
        current = getattr(sys, "_current_exceptions", dict)()
        for thread, error in current.items():
            error = error[1] if type(error) is tuple else error
            if error is not None:
                self.roots.append((f"thread {names.get(thread, thread)}", error))
        # Only what lives until the end: the address of anything else may become that of an object of the program.
        self.own.update(map(id, (self, self.own, self.frames, self.roots, self.__dict__)))
        for frame in self.frames:
            self.own.update((id(frame), id(frame.refs), id(frame.labels)))
        self.own.update(map(id, self.roots))

    def forget(self):
        """Lets go of everything: nothing of the program lives longer because of a dump."""
        self.frames.clear()
        self.roots.clear()
        self.own.clear()


def _thread_names():
    threading = sys.modules.get("threading")
    names = {}
    for thread, known in list(getattr(threading, "_active", {}).items()):
        try:
            name = object.__getattribute__(known, "_name")
        except AttributeError:
            continue
        if type(name) is str:
            names[thread] = _clean(name[:SHORT])
    return names


def _locals(frame):
    """The local variables of a function's frame; None of a frame that keeps them in a dictionary of its own.

    Before 3.13 looking makes a dictionary that would keep the values alive as long as the frame: it is emptied again.
    """
    if not frame.f_code.co_flags & 1:
        return None
    found = frame.f_locals
    if type(found) is not dict:
        return dict(found.items())
    values = dict(found)
    # It belongs to nobody but the frame, this variable and the call.
    if sys.getrefcount(found) <= 3:
        found.clear()
    return values


def _frame_references(frame, seen, back):
    """What a frame refers to, and by which labels. `seen` is what the collector sees: from 3.11 nothing while it runs."""
    refs, labels = [], []

    def add(label, value):
        if value is not None:
            refs.append(value)
            labels.append(label)

    add(".f_back", back)
    add(".f_code", frame.f_code)
    add(".f_globals", frame.f_globals)
    add(".f_builtins", frame.f_builtins)
    values = _locals(frame)
    known = set(map(id, refs))
    if values is None:
        if frame.f_locals is not frame.f_globals:
            add(".f_locals", frame.f_locals)
            known.add(id(frame.f_locals))
    else:
        cells = {}
        for value in seen:
            if type(value) is types.CellType:
                try:
                    cells.setdefault(id(value.cell_contents), value)
                except ValueError:
                    pass
        shared = frame.f_code.co_cellvars + frame.f_code.co_freevars
        for name, value in values.items():
            if name in shared:
                value = cells.get(id(value), value)
            refs.append(value)
            labels.append(name)
            known.add(id(value))
    for value in seen:
        # The rest lies on the stack of the interpreter: the iterator of a loop, for example.
        if id(value) not in known and value is not None:
            refs.append(value)
            labels.append(None)
    return refs, labels
