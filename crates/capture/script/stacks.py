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
        #: By address of a class, the table of its subclasses; addresses of those tables that have classes of ours.
        self.tables = {}
        self.shared_tables = set()
        #: By address of what stands for a thread in the tables of `threading.local`, the thread.
        self.local_owners = {}
        self._is_child = job.options.fork
        _made_locals.clear()
        ours, codes = [job], []
        names = self._names = {} if job.options.redact else _thread_names()
        for thread, frame in _running_frames().items():
            kind = f"thread {names.get(thread, thread)}"
            called_us = False
            while frame is not None:
                if frame.f_globals is _GLOBALS or called_us:
                    called_us = frame.f_code.co_filename == _FROM_OUTSIDE and frame.f_code.co_name == "<module>"
                    if _IS_FROM_OUTSIDE:
                        codes.append(frame.f_code)
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
        listed = gc.get_objects() if objects is None else objects
        dictionaries = [obj for obj in listed if type(obj) is dict]
        # No version of the script has as many globals; to look at the keys takes a list of all that is in there.
        copies = [space for space in dictionaries if 100 <= len(space) < 4096 and _are_of_script(space)]
        if copies:
            self._add_copies(copies, codes, (self, objects, listed, dictionaries, ours, codes, copies), listed)
        # Of the youngest: arguments of calls that are being made, and what belongs to classes of ours.
        for obj in chain(gc.get_objects(0), gc.get_objects(1)):
            if type(obj) is tuple:
                is_ours = _has_nothing_but(obj, self.own)
            else:
                is_ours = _IS_FROM_OUTSIDE and self._is_of_script(obj)
            if is_ours:
                self.own.add(id(obj))
        self._add_tables(dictionaries)

    def _add_copies(self, copies, codes, ends, listed):
        """Adds the copies of the script that heaplake has brought, with all that belongs to them."""
        known, parts, tuples = _Copies(copies), [], []
        #: By address of a class: whether its objects are classes, whether they belong to others.
        is_class, is_part = {}, {}
        seeds = [*copies, *codes, *known.modules]
        running = set(map(id, codes))
        # What the compiler has of the text that the interpreter runs, for as long as it does.
        texts = {id(const) for code in codes for const in code.co_consts if type(const) is str and len(const) > SHORT}
        for at, obj in enumerate(listed):
            if at & 0xFFFFF == 0 and self._is_child:
                _fork.alive()
            cls = type(obj)
            part = is_part.get(id(cls))
            if part is None:
                mro = _mro_of(cls)
                is_class[id(cls)] = _is_one_of(type, mro)
                part = is_part[id(cls)] = _is_one_of(types.BuiltinFunctionType, mro) or _is_one_of(cls, _BOUND_TO_CLASSES)
            if part:
                parts.append(obj)
            elif cls is tuple:
                tuples.append(obj)
            elif cls is types.FunctionType:
                # Since 3.11 the frame of a module has one, to which nothing else refers.
                if id(obj.__code__) in running:
                    self.own.add(id(obj))
            elif cls is list:
                if texts and len(obj) < 10_000 and not texts.isdisjoint(map(id, gc.get_referents(obj))):
                    self.own.add(id(obj))
            elif is_class[id(cls)] and known.have_lost_class(obj):
                seeds.append(obj)
        passing = (*ends[2:], parts, tuples, running, texts, is_class, is_part)
        ends = (*ends, parts, tuples, running, texts, is_class, is_part, *known.shared)
        own = _ours(seeds, ends, known)
        owners = own | known.addresses
        self.own |= own
        # Before 3.13 what ctypes makes of a class refers to that class, and is in its dictionary alone.
        seeds = [obj for obj in parts if not owners.isdisjoint(_owners_of_part(obj))]
        self.own |= _ours(seeds, ends, known) | set(map(id, seeds))
        self.own.update([id(obj) for obj in tuples if _has_nothing_but(obj, self.own)])
        # These end with this call, and something else may come to lie where they were.
        self.own.difference_update(map(id, passing))

    def _is_of_script(self, obj):
        cls = type(obj)
        if cls is types.BuiltinFunctionType:
            return id(obj.__self__) in self.own
        if _is_one_of(cls, _SCRIPT_TYPES) or _is_called(cls, "StgDict"):
            return not self.own.isdisjoint(map(id, gc.get_referents(obj)))
        return False

    def _add_tables(self, objects):
        """Finds the tables of subclasses, without what they have of ours."""
        own = self.own
        for table, weaks in _tables_of_subclasses(objects):
            is_ours = [id(_target_of(weak)) in own for weak in weaks]
            own.update(map(id, compress(weaks, is_ours)))
            if all(is_ours):
                own.add(id(table))
                continue
            owner = _owner_of_table(table, weaks[0], self.tables)
            if owner is not None:
                self.tables[id(owner)] = table
            if any(is_ours):
                self.shared_tables.add(id(table))

    def hide(self):
        """Hides itself and what it has, where the objects were listed afterwards."""
        self.own.update(map(id, (self, self.own, self.frames, self.greenlets, self.roots, self.local_owners, self.__dict__)))
        self.own.update(map(id, (self.tables, self.shared_tables)))
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
#: What all modules of one name share, however often they are made.
_OF_INTERPRETER = (_BUILTINS, gc.callbacks, gc.garbage)
#: Types of which the script itself consists, where heaplake has brought it.
_SCRIPT_TYPES = (types.CellType, types.FunctionType, property, staticmethod, classmethod)
_SCRIPT_TYPES += (types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType)
_SCRIPT_TYPES += (types.MethodDescriptorType, types.ClassMethodDescriptorType)
#: What only code that is ours, or an object that is, refers to.
_BOUND_TYPES = (types.CodeType, types.MethodWrapperType, frozenset)
#: What belongs to a class, and is not always found in it.
_BOUND_TO_CLASSES = (types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType)
_BOUND_TO_CLASSES += (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.MethodWrapperType)


def _owners_of_part(obj):
    """Addresses of the class or the object that a method of C code or a descriptor belongs to."""
    owners = []
    for name in ("__self__", "__objclass__"):
        get = _in_class(_mro_of(type(obj)), name)
        if get is not None:
            owners.append(id(get.__get__(obj)))
    return owners


def _are_of_script(space):
    """Whether a dictionary has the globals of this script where heaplake has brought it.

    Those of earlier dumps wait for the collector.
    """
    if not _is_of_texts(space) or space.get("_IS_FROM_OUTSIDE") is not True:
        return False
    name = space.get("_FROM_OUTSIDE")
    return type(name) is str and name == _FROM_OUTSIDE


class _Copies:
    """What belongs to copies of the script, and to the modules that were imported for them alone."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, copies):
        #: Addresses of the globals of functions.
        self.spaces = set(map(id, copies))
        #: Names of modules of Python whose classes are theirs.
        self.names = {__name__}
        self.modules = []
        #: Modules and their dictionaries, where what is in these is not theirs alone.
        self.shared = []
        #: Addresses of modules, of what these were loaded by, and of classes.
        self.addresses = set()
        for space in copies:
            brought = space.get("_BROUGHT")
            for module in brought if type(brought) is list else ():
                is_old = space is not _GLOBALS and _IS_FROM_OUTSIDE
                if _is_module(module) and id(module) not in self.addresses and _belongs_to_us(module, is_old):
                    self._add_module(module)
        # A program that has the script itself has classes of the same name.
        self._may_have_lost = _item(sys.modules, __name__) is None

    def _add_module(self, module):
        space = _module_dict(module)
        self.addresses.add(id(module))
        loaded_by = [_item(space, name) for name in ("__spec__", "__loader__")]
        loaded_by = [found for found in loaded_by if found is not None and not _is_class(found)]
        self.addresses.update(map(id, loaded_by))
        self.modules += loaded_by
        name = _item(space, "__name__")
        if _is_source(module) and type(name) is str:
            self.names.add(name)
            self.modules.append(module)
            self.spaces.add(id(space))
            return
        definition = _definition_of(module)
        if not definition or not _is_remade(definition):
            self.shared += [module, space]
            return
        self.modules.append(module)
        self.spaces.add(id(space))
        for found in space.values():
            # Exceptions do not refer to their module; that of `_ctypes` says that it is of `ctypes`.
            if _is_class(found) and _flags_of(found) & _HEAP_TYPE:
                names = [_own(found, "__module__"), _item(space, "__name__")]
                if all([type(name) is str for name in names]) and names[0].lstrip("_") == names[1].lstrip("_"):
                    self.addresses.add(id(found))

    def have(self, obj):
        """Whether an object that something of theirs refers to is theirs, too."""
        cls = type(obj)
        if _is_one_of(cls, _BOUND_TYPES) or id(obj) in self.addresses or _is_called(cls, "StgDict"):
            return True
        if cls is types.FunctionType:
            return id(obj.__globals__) in self.spaces
        if _is_one_of(types.BuiltinFunctionType, _mro_of(cls)):
            owner = obj.__self__
            return id(owner) in self.addresses or self.have_class(owner if _is_class(owner) else type(owner))
        if _is_class(obj):
            return self.have_class(obj)
        if _is_one_of(cls, _SCRIPT_TYPES):
            owner = getattr(obj, "__objclass__", None)
            return owner is None or self.have_class(owner)
        return self.have_class(cls)

    def have_class(self, cls):
        if id(cls) in self.addresses:
            return True
        if not _flags_of(cls) & _HEAP_TYPE:
            return False
        return self._is_of_our_name(cls) or not self.addresses.isdisjoint(map(id, gc.get_referents(cls)))

    def have_lost_class(self, cls):
        """Whether an otherwise unknown class is theirs, though it is in no dictionary of theirs."""
        return self._may_have_lost and bool(_flags_of(cls) & _HEAP_TYPE) and self._is_of_our_name(cls)

    def _is_of_our_name(self, cls):
        module = _own(cls, "__module__")
        return type(module) is str and module in self.names


def _is_class(obj):
    return _is_one_of(type, _mro_of(type(obj)))


def _has_nothing_but(items, addresses):
    """Whether a tuple has items, and all of them have some addresses.

    Items of the program's lists and tuples come from the collector. One that C code still fills, or keeps room in, has empty places, which
    the collector passes over: to read one would end the process.
    """
    items = gc.get_referents(items)
    return bool(items) and addresses.issuperset(map(id, items))


def _is_called(cls, name):
    """Whether a class has this name, which may be of a subclass of `str` with an `__eq__` of its own."""
    found = _name_of(cls)
    return type(found) is str and found == name


def _is_source(module):
    """Whether a module that the program does not see is made of code in Python."""
    space = _module_dict(module)
    name = _item(space, "__name__")
    is_seen = type(name) is str and _item(sys.modules, name) is not None
    return not is_seen and _is_called(type(_item(space, "__loader__")), "SourceFileLoader")


def _definition_of(module):
    """The address of what a module of C code is made from; 0 where there is none."""
    return _native("PyModule_GetDef", _Object, result=_Long)(module) if _IS_NATIVE else 0


def _is_remade(definition):
    """Whether importing a module once more makes all that is in it anew.

    It has slots, or its state is not of negative size. PyModuleDef: base of 40 bytes, name, doc, size, methods, slots.
    """
    return bool(_word(definition + 72)) or _word(definition + 56) < 1 << 63


def _belongs_to_us(module, is_old):
    """Whether nothing but the script refers to a module that was imported for it.

    Without slots the interpreter keeps the last that was made; where importing it again copies what is in it, the
    functions refer to the first. `is_old` says that there was a dump after that for which it was made.
    """
    if _is_source(module):
        return True
    functions = [obj for obj in _module_dict(module).values() if type(obj) is types.BuiltinFunctionType]
    # A copy does not know what it is made from.
    definition = _definition_of(functions[0].__self__ if functions and _is_module(functions[0].__self__) else module)
    if not definition:
        return is_old and _IS_NATIVE
    if not _word(definition + 72) and _native("PyState_FindModule", _Long, result=_Long)(definition) == id(module):
        return False
    return _is_remade(definition) or all([function.__self__ is not module for function in functions])


def _is_module(obj):
    return type(obj) is types.ModuleType


def _is_ours(obj, copies):
    """Whether an object that something of ours refers to is ours; with `copies` what belongs to these is, too."""
    cls = type(obj)
    if _is_one_of(cls, _OWN_TYPES):
        return not _is_one_of(obj, _OF_INTERPRETER) and obj is not sys.modules
    if cls is types.MethodType and type(obj.__func__) is types.FunctionType:
        space = obj.__func__.__globals__
        return space is _GLOBALS or copies is not None and id(space) in copies.spaces
    if copies is None:
        return _own(cls, "is_of_one_dump") is _IS_OF_ONE_DUMP
    return copies.have(obj)


def _ours(todo, ends, copies=None):
    """The addresses of objects of ours, and of all of ours that is behind them; `ends` hold objects of the program.

    With `copies` what belongs to these is ours, too.
    """
    found = {id(end) for end in ends if end is not None}
    while todo:
        obj = todo.pop()
        # A tuple that is not tracked is not listed, and may be shared with the program: `()`, for example.
        if id(obj) not in found and _is_ours(obj, copies) and (type(obj) is not tuple or gc.is_tracked(obj)):
            found.add(id(obj))
            todo += gc.get_referents(obj)
            if copies is not None:
                todo += _unseen_references(obj)
    return found


def _unseen_references(obj):
    """What an object of the script refers to and the collector is not shown."""
    cls = type(obj)
    if cls is types.FunctionType:
        return [obj.__code__]
    if cls is types.CodeType:
        # A tuple of constants that is not tracked may have code all the same.
        return _references_of_code(obj) + [const for const in obj.co_consts if type(const) is types.CodeType]
    if _is_class(obj):
        slots = _slots_of(obj)
        return [] if slots is None else [slots]
    if _HIDES_DICTIONARIES and _flags_of(cls) & _INLINE_VALUES:
        return _references(obj, _Type(cls))
    return []


_target_of = _weakref.ReferenceType.__call__
_subclasses_of = type.__subclasses__


def _tables_of_subclasses(objects):
    """Dictionaries of weak references to classes by their addresses: what classes know of those that are derived from them.

    Each comes with its weak references. The collector lists them, and does not show that a class refers to its own.
    """
    for obj in objects:
        # A list of items is made in one step: other threads may add to a dictionary that is walked.
        if type(obj) is dict and type(next(iter(obj.values()), None)) is _weakref.ReferenceType:
            items = list(obj.items())
            if items and all([_is_entry(key, weak) for key, weak in items]):
                yield obj, [weak for _, weak in items]


def _is_entry(key, weak):
    if type(key) is not int or type(weak) is not _weakref.ReferenceType:
        return False
    target = _target_of(weak)
    return id(target) == key and _is_class(target)


def _owner_of_table(table, weak, known):
    """The class whose table of subclasses this is, by one of its weak references; None where that is not known."""
    for base in _bases_of(_target_of(weak)):
        if _SUBCLASSES is not None and _word(id(base) + _SUBCLASSES) == id(table):
            return base
        # Since 3.12 the interpreter keeps those of the classes that all of its kind share.
        is_shared = _VERSION >= (3, 12) and not _flags_of(base) & _HEAP_TYPE
        if (is_shared or _SUBCLASSES is None) and id(base) not in known:
            if set(map(id, _subclasses_of(base))) == table.keys():
                return base
    return None


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
