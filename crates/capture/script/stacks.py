# Stacks -------------------------------------------------------------------------------------------------------------


class _Frame:
    """A running frame as it is, read before anything else changes it."""

    __slots__ = ("frame", "address", "size", "code", "line", "refs", "labels", "root")

    def __init__(self, frame, root):
        self.frame = frame
        self.address = id(frame)
        self.size = sys.getsizeof(frame)
        self.code = frame.f_code
        self.line = frame.f_lineno
        self.root = root
        self.refs, self.labels = _frame_references(frame, gc.get_referents(frame), frame.f_back)


class _Stacks:
    """What every thread runs, without this module's own frames; and what else no object refers to.

    In a child the threads of the parent are there as they were, though nothing runs them.
    """

    def __init__(self, job, objects):
        #: Addresses of what is ours and is not dumped.
        self.own = set()
        self.frames = []
        #: All that there are. The collector lists them, but says of those that wait that it does not.
        self.greenlets = []
        #: Pairs of a kind of root and an object.
        self.roots = []
        #: By address of what stands for a thread in the tables of `threading.local`, the thread.
        self.local_owners = {}
        self._is_child = job.options.fork
        _made_locals.clear()
        ours = [job]
        names = self._names = {} if job.options.redact else _thread_names()
        for thread, frame in _running_frames().items():
            kind = f"thread {names.get(thread, thread)}"
            called_us = False
            while frame is not None:
                if frame.f_globals is _GLOBALS or called_us:
                    called_us = frame.f_code.co_filename == _FROM_OUTSIDE and frame.f_code.co_name == "<module>"
                    # Only what lives until the end: the address of anything else may become that of another object.
                    if thread != _this_thread():
                        self.own.add(id(frame))
                        ours += (_locals(frame) or {}).values()
                else:
                    self.frames.append(_Frame(frame, kind))
                frame = frame.f_back
        if job.exception is not None:
            self.roots.append(("exception", job.exception))
        for thread, error in _current_errors().items():
            error = error[1] if type(error) is tuple else error
            if error is not None:
                self.roots.append((f"thread {names.get(thread, thread)}", error))
        self.own |= _ours(ours, (self, objects)) | _made_locals
        if _IS_FROM_OUTSIDE:
            self.own |= _ours([_GLOBALS], (self, objects), whole=True)
        # Of the youngest: arguments of calls that are being made, and what belongs to classes of ours.
        for obj in chain(gc.get_objects(0), gc.get_objects(1)):
            if type(obj) is tuple:
                is_ours = obj and self.own.issuperset(map(id, obj))
            else:
                is_ours = _IS_FROM_OUTSIDE and self._is_of_script(obj)
            if is_ours:
                self.own.add(id(obj))

    def _is_of_script(self, obj):
        cls = type(obj)
        if cls is types.BuiltinFunctionType:
            return id(obj.__self__) in self.own
        if _is_one_of(cls, _SCRIPT_TYPES) or cls.__name__ == "StgDict":
            return not self.own.isdisjoint(map(id, gc.get_referents(obj)))
        return False

    def hide(self):
        """Hides itself and what it has, where the objects were listed afterwards."""
        self.own.update(map(id, (self, self.own, self.frames, self.greenlets, self.roots, self.local_owners, self.__dict__)))
        self.own.update(map(id, self.roots))
        for frame in self.frames:
            self.own.update((id(frame), id(frame.refs), id(frame.labels)))

    def add_states(self, objects):
        """What threads have beside their frames, and what is called at the end."""
        if not _IS_NATIVE:
            return
        kinds = {}
        for state in _thread_states(_running_frames()):
            if self._is_child and state.thread == _this_thread():
                continue
            kind = f"thread {self._names.get(state.thread, state.thread)}"
            if state.dictionary:
                # An empty one, or one of objects without references, is not listed.
                space = _ctypes.PyObj_FromPtr(state.dictionary)
                self.roots.append((kind, space))
                for key, value in space.items() if type(space) is dict else ():
                    if type(key) is str and key.startswith("thread.local."):
                        self.local_owners[id(value)] = kind
            kinds.update(dict.fromkeys(state.words, kind))
            if _VERSION >= (3, 13):
                self.local_owners.update(dict.fromkeys(state.words, kind))
        for kind, addresses in ((None, kinds), ("atexit", _functions_at_end())):
            for obj in compress(objects, map(addresses.__contains__, map(id, objects))):
                if id(obj) not in self.own and not _is_one_of(type(obj), _KNOWN_OTHERWISE):
                    self.roots.append((kind or kinds[id(obj)], obj))

    def add_greenlets(self, objects):
        """The frames of greenlets that wait, as those of threads."""
        cls = _greenlet_type()
        if cls is None:
            return
        is_one = {}
        met = {frame.address for frame in self.frames}
        for obj in objects:
            known = is_one.get(id(type(obj)))
            if known is None:
                known = is_one[id(type(obj))] = _is_one_of(cls, _mro_of(type(obj)))
            if known:
                self.greenlets.append(obj)
                frame = _proxy_of(cls)["gr_frame"].__get__(obj)
                while frame is not None and id(frame) not in met:
                    met.add(id(frame))
                    self.frames.append(_Frame(frame, "greenlet"))
                    frame = frame.f_back


#: Types of which the state of a thread has objects that are found in another way, or are everywhere.
_KNOWN_OTHERWISE = (types.FrameType, type(_thread.allocate_lock()))


def _greenlet_type():
    """The type of greenlets; None where the program has none."""
    found = _in_module("greenlet", "greenlet")
    is_one = type(found) is type and type(_own(found, "gr_frame")) is types.GetSetDescriptorType
    return found if is_one else None


#: Types of what a dump makes for itself. What it holds of the program is of another type, or is behind one.
_OWN_TYPES = (dict, list, tuple, set, map, filter, type(iter([])), _functools.partial)
#: Types of which the script itself consists, where heaplake has brought it.
_SCRIPT_TYPES = (types.CellType, types.FunctionType, property, staticmethod)
_SCRIPT_TYPES += (types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType)


def _is_ours(obj, whole):
    """Whether an object that something of ours refers to is ours; with `whole` the script is, too."""
    cls = type(obj)
    if _is_one_of(cls, _OWN_TYPES):
        return obj is not sys.modules and obj is not _BUILTINS
    if cls is types.MethodType:
        return type(obj.__func__) is types.FunctionType and obj.__func__.__globals__ is _GLOBALS
    if not whole:
        return _own(cls, "is_of_one_dump") is _IS_OF_ONE_DUMP
    if cls is types.FunctionType:
        return obj.__globals__ is _GLOBALS
    if _is_one_of(type, _mro_of(cls)):
        return _is_our_class(obj)
    if _is_one_of(cls, _SCRIPT_TYPES):
        owner = getattr(obj, "__objclass__", None)
        return owner is None or _is_our_class(owner)
    return _is_our_class(cls)


def _is_our_class(cls):
    module = _own(cls, "__module__")
    return type(module) is str and module == __name__


def _ours(todo, ends, whole=False):
    """The addresses of objects of ours, and of all of ours that is behind them; `ends` hold objects of the program."""
    found = {id(end) for end in ends if end is not None}
    while todo:
        obj = todo.pop()
        # A tuple that is not tracked is not listed, and may be shared with the program: `()`, for example.
        if id(obj) not in found and _is_ours(obj, whole) and (type(obj) is not tuple or gc.is_tracked(obj)):
            found.add(id(obj))
            todo += gc.get_referents(obj)
    return found


def _thread_names():
    active = _in_module("threading", "_active")
    names = {}
    for thread, known in list(active.items()) if type(active) is dict else ():
        try:
            name = object.__getattribute__(known, "_name")
        except AttributeError:
            continue
        if type(thread) is int and type(name) is str:
            names[thread] = _clean(name[:SHORT])
    return names


#: Addresses of the dictionaries that looking at local variables has made; they are no objects of the program.
_made_locals = set()


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
        _made_locals.add(id(found))
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
        if id(value) not in known and value is not None and id(value) not in _made_locals:
            refs.append(value)
            labels.append(None)
    return refs, labels
