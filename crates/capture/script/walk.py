# The walk -----------------------------------------------------------------------------------------------------------


#: Containers of the language whose items may be secrets.
_CONTAINERS = (list, tuple, set, frozenset, _collections.deque)
#: Types of the tables of contexts, and of their keys, which no module names.
_CONTEXT_NODES = ("hamt_bitmap_node", "hamt_array_node", "hamt_collision_node")
_CONTEXT_VARIABLES = ("ContextVar", "_contextvars.ContextVar")
#: References of an object that are written at once.
_LONG = 1 << 14
#: Values that are the same objects for all who use them.
_SHARED = (bool, type(None))


def _has_all_items(items):
    """Whether no place of a list or tuple is empty, and each may be read."""
    return len(gc.get_referents(items)) == len(items)


class _CutLine(BaseException):
    """A part of a line is written and the rest is not, so that there is no dump. No reason to go on with other objects."""


class _Addresses(set):
    """Addresses that were met."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def added(self, addresses):
        """Adds addresses; those that were not there."""
        new = set(addresses) - self
        self |= new
        return new


class _CompactAddresses:
    """The same in a sixtieth of the memory of the objects, and slower: for a process that has no more."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self):
        #: By megabyte, a bit for every eighth byte.
        self._pages = {}

    def added(self, addresses):
        new, pages = [], self._pages
        for address in addresses:
            page = pages.get(address >> 20)
            if page is None:
                page = pages[address >> 20] = bytearray(1 << 14)
            at, bit = address >> 6 & 0x3FFF, 1 << (address >> 3 & 7)
            if not page[at] & bit:
                page[at] |= bit
                new.append(address)
        return new

    update = added


class _Walk:
    """Every object once, as lines."""

    def __init__(self, options, out, stacks, objects, counts):
        self.options = options
        self.out = out
        self.stacks = stacks
        self.objects = objects
        self.types = {}
        self.roots = {}
        #: Objects that are not in `objects` and were met.
        self.seen = _CompactAddresses() if options.reason else _Addresses()
        self.kept_alive = None if options.fork else []
        #: Whether all containers are in `objects`. Those that the program has frozen are not.
        self.all_listed = not gc.get_freeze_count()
        self.values = _Values(options)
        #: Addresses of what is found under the name of a secret, and texts and numbers, which wait until all are known.
        self.secrets = set()
        self._cover = options.masks.cover
        self.held = []
        #: The counts of those that the collector tracks.
        self.held_counts = {}
        self._value = self.values.field
        self._number = self.values.number
        self.labels = _Labels(options, self.values)
        self.labels.local_owners = stacks.local_owners
        self._labels = self.labels.of
        self._indexes = self.labels.indexes
        self.keys = self.labels.keys
        #: How held objects are written, by address of their type.
        self.writers = {}
        self.atoms = {
            str: self._str,
            int: self._int,
            float: self._float,
            bool: self._bool,
            bytes: self._bytes,
        }
        self.handlers = {
            list: self._list,
            tuple: self._tuple,
            dict: self._dict,
            types.ModuleType: self._module,
            types.FunctionType: self._function,
            types.CodeType: self._code,
            types.FrameType: self._frame,
            _weakref.ReferenceType: self._weakref,
            memoryview: self._memoryview,
            type: self._class,
        }
        self.array = self._array_type()
        self.greenlet = _greenlet_type()
        self.tables = stacks.tables
        self.shared_tables = stacks.shared_tables
        self.hidden = self._hidden()
        self.counts = _Counts(objects, counts, self.hidden, stacks.frames)
        #: The count of the object that is being written; None where the collector does not track it.
        self.raw = None
        self.count_fields = self.counts.fields

    # Which objects

    def run(self):
        out = self.out
        _find_roots(self.roots, self.stacks)
        if self.options.redact:
            self.labels.names = _program_names(self.objects)
        skip = self.hidden
        refs = []
        for frame in self.stacks.frames:
            refs += self._running_frame(frame)
            skip.add(frame.address)
        for arguments in (getattr(sys, "argv", None), getattr(sys, "orig_argv", None)):
            if type(arguments) is list:
                for at in self.options.masks.secret_arguments(arguments):
                    self._keep_secret(arguments[at])
        self.seen.update(skip)
        self.seen.update(map(id, self.stacks.greenlets))
        if not self.all_listed:
            self.seen.update(map(id, self.objects))
        refs += [obj for _, obj in self.stacks.roots]
        self._others(refs)
        objects = self.objects
        for at in range(0, len(objects), _BATCH):
            batch, raw = objects[at : at + _BATCH], self.counts.raw[at : at + _BATCH]
            if not skip.isdisjoint(map(id, batch)):
                raw = [n for n, obj in zip(raw, batch) if id(obj) not in skip]
                batch = [obj for obj in batch if id(obj) not in skip]
            self._others(self._lines(batch, raw))
            out.flush()
        self._write_held()

    def _write_held(self):
        """Writes the texts and numbers, after what they refer to themselves."""
        at = 0
        while at < len(self.held):
            batch = self.held[at : at + _BATCH]
            at += len(batch)
            refs = []
            for obj in batch:
                writer, info = self.writers[id(type(obj))]
                if type(obj) is not info.cls or not _is_one_of(info.cls, self.atoms):
                    of_obj = gc.get_referents(obj)
                    self._without_marks(self._labels(obj, info, list(map(id, of_obj))), of_obj)
                    refs += of_obj
            self._others(refs)
        for at in range(0, len(self.held), _BATCH):
            for obj in self.held[at : at + _BATCH]:
                write, info = self.writers[id(type(obj))]
                self.raw = self.held_counts.get(id(obj))
                try:
                    write(obj, info)
                except Exception:
                    self._write(obj, info, gc.get_referents(obj), "")
            self.out.flush()

    def _hold(self, obj, info):
        self.held.append(obj)
        if self.raw is not None:
            self.held_counts[id(obj)] = self.raw

    def _without_marks(self, labels, refs):
        """Labels as they are written. What marked ones lead to is kept secret."""
        if _SECRET not in labels:
            return labels
        for place in _marked_positions(labels):
            self._keep_secret(refs[place])
        return labels.replace(_SECRET, "")

    def _keep_secret(self, obj):
        """A text or number, and those in containers of the language."""
        todo = [obj]
        while todo:
            obj = todo.pop()
            cls = type(obj)
            if id(obj) in self.secrets or _is_one_of(cls, _SHARED):
                continue
            if cls is dict:
                todo += obj.values()
            elif _is_one_of(cls, _CONTAINERS):
                todo += gc.get_referents(obj)
            elif self._atom_writer(cls) is None:
                continue
            self.secrets.add(id(obj))

    def _others(self, refs):
        """Writes what is referred to, is not listed, and was not met before; then what that refers to."""
        while refs:
            if self.all_listed:
                refs = list(filterfalse(gc.is_tracked, refs))
            fresh = []
            for at in range(0, len(refs), _LONG):
                met = {id(ref): ref for ref in refs[at : at + _LONG]}
                fresh += [met[address] for address in self.seen.added(met)]
            if self.kept_alive is not None:
                self.kept_alive += fresh
            refs = []
            for at in range(0, len(fresh), _BATCH):
                refs += self._lines(fresh[at : at + _BATCH], repeat(None))
                if len(self.out.lines) > _BATCH:
                    self.out.flush()

    def _lines(self, objects, raw):
        """Writes objects; returns what they refer to."""
        found = []
        known = self.types
        for obj, self.raw in zip(objects, raw):
            cls = type(obj)
            try:
                handle, info = known[id(cls)]
            except KeyError:
                handle, info = known[id(cls)] = self._handler(cls), _Type(cls)
            try:
                refs = handle(obj, info)
            except Exception:
                # Whatever is wrong with one object, the others are to be dumped.
                refs = self._write(obj, info, gc.get_referents(obj), "")
            if refs:
                found += refs
        return found

    def _atom_writer(self, cls):
        """What writes the texts or numbers of a class; None of another class."""
        if _is_one_of(cls, self.atoms):
            return self.atoms[cls]
        mro = _mro_of(cls)
        for base, writer in ((str, self._str_subclass), (bytes, self._bytes_subclass), (int, self._int_subclass)):
            if _is_one_of(base, mro):
                return writer
        return None

    def _handler(self, cls):
        writer = self._atom_writer(cls)
        if writer is not None:
            self.writers[id(cls)] = writer, _Type(cls)
            return self._hold
        handler = self.handlers.get(cls) if type(cls) is type else None
        if handler is not None:
            return handler
        mro = _mro_of(cls)
        for base, handler in (
            (type, self._class),
            (dict, self._dict_subclass),
            (list, self._sequence_subclass),
            (tuple, self._sequence_subclass),
            (_collections.deque, self._sequence_subclass),
            (types.ModuleType, self._module),
            (_weakref.ReferenceType, self._weakref),
        ):
            if _is_one_of(base, mro):
                return handler
        if self.array is not None and _is_one_of(self.array, mro):
            return self._array
        if self.greenlet is not None and _is_one_of(self.greenlet, mro):
            return self._greenlet
        if _is_one_of(cls, _GENERATORS):
            return self._generator
        if _BOUND is not None and _is_one_of(_LRU_CACHE, mro):
            return self._lru_cache
        if type(cls) is type and _type_name(cls) in _CONTEXT_NODES:
            return self._context_node
        if cls is set or cls is frozenset:
            return self._set
        return self._instance

    def _hidden(self):
        """Addresses of what this dump made and the collector lists."""
        hidden = self.stacks.own
        hidden.update(map(id, (self.objects, hidden)))
        called_us = False
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_globals is _GLOBALS or called_us:
                hidden.add(id(frame))
                called_us = frame.f_code.co_filename == _FROM_OUTSIDE and frame.f_code.co_name == "<module>"
            frame = frame.f_back
        return hidden

    # Roots

    def _root(self, address):
        kind = self.roots.get(address)
        return "" if kind is None else f', "root": {_quote(kind)}'


    # Objects without references

    def _str(self, obj, info):
        n = len(obj)
        options = self.options
        if id(obj) in self.secrets and n > 1:
            value = self.values.secret(obj)
        elif options.redact or options.values != "short" or not obj.isascii():
            value = self._value(obj)
        else:
            value = f', "value": {_quote(obj if n <= SHORT else obj[:SHORT])}'
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(obj)}, "len": {n}{value}, "refs": []}}'
        )

    def _bytes(self, obj, info):
        if id(obj) in self.secrets:
            value = self.values.secret(obj)
        else:
            value = self._value(obj if self.options.redact else self.values.latin(obj))
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(obj)}, "len": {len(obj)}{value}, "refs": []}}'
        )


    def _int(self, obj, info):
        # Small ones are the same object wherever they are.
        value = "" if id(obj) in self.secrets and not -6 < obj < 257 else self._number(obj)
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(obj)}{value}, "refs": []}}'
        )

    def _bool(self, obj, info):
        is_hidden = self.options.values == "none" or self.options.redact or id(obj) in self.secrets
        value = "" if is_hidden else f', "value": "{obj!r}"'
        self.out.lines.append(f'{{"address": {id(obj)}{info.head}{info.size(obj)}{value}, "refs": []}}')

    _float = _bool

    # Containers

    def _list(self, obj, info):
        if not _has_all_items(obj):
            return self._unfinished(obj, info)
        refs = obj[:]
        if len(refs) > _LONG:
            return self._write_long(obj, info, refs, self.labels.index_pieces(len(refs), _LONG), f', "len": {len(refs)}')
        return self._write(obj, info, refs, self._indexes(len(refs)), f', "len": {len(refs)}')

    def _tuple(self, obj, info):
        if not _has_all_items(obj):
            return self._unfinished(obj, info)
        if len(obj) == 2 and (type(obj[0]) is str or type(obj[0]) is bytes) and self._cover(obj[0]):
            # A header, an item of a dictionary.
            self._keep_secret(obj[1])
        return self._write(obj, info, obj, self._indexes(len(obj)), f', "len": {len(obj)}')

    def _unfinished(self, obj, info):
        """A list or tuple that C code still fills, or keeps room in: which place an item has is not known."""
        return self._write(obj, info, gc.get_referents(obj), "", f', "len": {len(obj)}')

    def _set(self, obj, info):
        refs = gc.get_referents(obj)
        return self._write(obj, info, refs, "", f', "len": {len(obj)}')

    def _dict(self, obj, info):
        if id(obj) in self.shared_tables:
            return self._shared_table(obj, info)
        refs = list(chain.from_iterable(obj.items()))
        keys = self.keys
        if len(refs) > _LONG:
            return self._write_long(obj, info, refs, keys.pieces(obj, _LONG // 2), f', "len": {len(obj)}')
        # A dictionary of nothing but strings does not show its keys to the collector.
        if len(obj) <= 1024 and len(gc.get_referents(obj)) == len(obj):
            labels = ", ".join(map(keys.__getitem__, obj))
            if len(keys) > _REMEMBERED_KEYS:
                keys.clear()
        else:
            labels = ", ".join([keys.made(key) for key in obj])
        return self._write(obj, info, refs, labels, f', "len": {len(obj)}')

    def _shared_table(self, obj, info):
        """The table of a class's subclasses, with entries of ours: of the size that it has without these."""
        items = [(key, weak) for key, weak in obj.items() if id(weak) not in self.hidden]
        refs = list(chain.from_iterable(items))
        labels = ", ".join([self.keys.made(key) for key, _ in items])
        root = self._root(id(obj)) if id(obj) in self.roots else ""
        self.out.lines.append(
            f'{{"address": {id(obj)}{info.head}{info.size(dict(items))}, "len": {len(items)}, '
            f'"refs": {list(map(id, refs))}, "labels": [{labels}]{root}{self._count(id(obj))}}}'
        )
        return refs

    def _dict_subclass(self, obj, info):
        items = list(dict.items(obj))
        refs = list(chain.from_iterable(items))
        labels = [self.keys.made(key) for key, _ in items]
        return self._with_rest(obj, info, refs, labels, len(items))

    def _sequence_subclass(self, obj, info):
        base = next(one for one in (list, tuple, _collections.deque) if _is_one_of(one, info.mro))
        refs = list(base.__iter__(obj))
        labels = [self._indexes(len(refs))] if refs else []
        bound = _max_length_of(obj) if base is _collections.deque else None
        fields = "" if bound is None else self.values.bound("maxlen", bound)
        return self._with_rest(obj, info, refs, labels, len(refs), fields)

    def _with_rest(self, obj, info, refs, labels, n, fields=""):
        """A container that has attributes beside its items."""
        items = set(map(id, refs))
        rest = [ref for ref in gc.get_referents(obj) if id(ref) not in items]
        if rest:
            of_rest = self._labels(obj, info, list(map(id, rest)))
            if of_rest:
                labels.append(of_rest)
            elif labels:
                labels.append(", ".join(["null"] * len(rest)))
            refs += rest
        return self._write(obj, info, refs, ", ".join(labels), f', "len": {n}{fields}')

    # Texts and numbers with attributes

    def _str_subclass(self, obj, info):
        text = str.__str__(obj)[:]
        value = self.values.secret(text) if id(obj) in self.secrets else self._value(text)
        return self._atom(obj, info, f', "len": {len(text)}{value}')

    def _bytes_subclass(self, obj, info):
        data = bytes.__getitem__(obj, slice(None))
        if id(obj) in self.secrets:
            value = self.values.secret(data)
        else:
            value = self._value(data if self.options.redact else self.values.latin(data))
        return self._atom(obj, info, f', "len": {len(data)}{value}')

    def _int_subclass(self, obj, info):
        return self._atom(obj, info, "" if id(obj) in self.secrets else self._number(int.__add__(obj, 0)))

    def _atom(self, obj, info, fields):
        refs = gc.get_referents(obj)
        return self._write(obj, info, refs, self._labels(obj, info, list(map(id, refs))), fields)

    # Everything else

    def _instance(self, obj, info):
        refs = _references(obj, info)
        return self._write(obj, info, refs, self._labels(obj, info, list(map(id, refs))))

    def _lru_cache(self, obj, info):
        refs = gc.get_referents(obj)
        bound = _bound_of_cache(obj)
        return self._write(obj, info, refs, self._labels(obj, info, list(map(id, refs))), self.values.bound("maxsize", bound))

    def _function(self, obj, info):
        refs = gc.get_referents(obj)
        name = _function_name(obj)
        if obj.__globals__ is _GLOBALS:
            # The dump itself is running it.
            self.raw = None
        labels = self._labels(obj, info, list(map(id, refs)))
        return self._write(obj, info, refs, labels, f', "name": {_quote(_clean(name))}')

    def _module(self, obj, info):
        space = _module_dict(obj)
        name = _item(space, "__name__") if type(space) is dict else None
        # Its list of iterators that are to be used again shows objects to which nothing refers: a reference makes one
        # live again and then frees it a second time.
        refs = [space] if _VERSION == (3, 12) and name == "_asyncio" else gc.get_referents(obj)
        labels = ", ".join(['".__dict__"' if ref is space else "null" for ref in refs])
        name = f', "name": {_quote(_clean(name))}' if type(name) is str else ""
        return self._write(obj, info, refs, labels, name)

    def _class(self, obj, info):
        mro = _real_mro_of(obj)
        named = []
        if mro is not None:
            # Without it, a type that the interpreter never made ready: asking for its bases would crash.
            named += [(_class_dict(obj), ".__dict__"), (mro, ".__mro__")]
            named += [(_bases_of(obj), ".__bases__"), (_base_of(obj), ".__base__")]
        if _flags_of(obj) & _HEAP_TYPE:
            refs = gc.get_referents(obj)
        else:
            # The collector does not look into types of the interpreter itself.
            refs = [ref for ref, _ in named if ref is not None]
            self.roots.setdefault(id(obj), "static type")
        names = {id(ref): label for ref, label in named}
        names[id(info.cls)] = ".__class__"
        table = self.tables.get(id(obj))
        if table is not None:
            refs.append(table)
            names[id(table)] = ".__subclasses__"
        labels = ", ".join([f'"{names[id(ref)]}"' if id(ref) in names else "null" for ref in refs])
        return self._write(obj, info, refs, labels, f', "name": {_quote(_clean(_name_of(obj)))}')

    def _code(self, obj, info):
        found = [(name, getattr(obj, name)) for name in _CODE]
        if _VARIABLES is not None:
            found.append(("co_localsplusnames", _ctypes.PyObj_FromPtr(_word(id(obj) + _VARIABLES))))
        refs = [ref for _, ref in found]
        labels = ", ".join([f'".{name}"' for name, _ in found])
        return self._write(obj, info, refs, labels, f', "name": {_quote(_clean(obj.co_name))}')

    def _weakref(self, obj, info):
        refs = gc.get_referents(obj)
        labels = self._labels(obj, info, list(map(id, refs))) or ", ".join(["null"] * len(refs))
        target = _weakref.ReferenceType.__call__(obj)
        weak = ""
        if target is not None and id(target) not in self.hidden:
            weak = f', "weak": [{len(refs)}]'
            refs = [*refs, target]
            labels = f'{labels}, "()"' if labels else '"()"'
        return self._write(obj, info, refs, labels, "", weak)

    def _context_node(self, obj, info):
        """A part of the table of a context: the collector shows values before their keys, and other parts alone."""
        refs = gc.get_referents(obj)
        labels = ["null"] * len(refs)
        at = 0
        while at + 1 < len(refs):
            if _type_name(type(refs[at])) in _CONTEXT_NODES:
                at += 1
            else:
                if _type_name(type(refs[at + 1])) in _CONTEXT_VARIABLES:
                    labels[at] = self.labels.variable(refs[at + 1])
                at += 2
        return self._write(obj, info, refs, ", ".join(labels))

    def _memoryview(self, obj, info):
        refs = gc.get_referents(obj)
        try:
            owner = obj.obj
        except ValueError:
            owner = None
        labels = ["null"] * len(refs)
        if owner is not None:
            refs = [*refs, owner]
            labels.append('".obj"')
        return self._write(obj, info, refs, ", ".join(labels), f', "len": {self._view_bytes(obj)}')

    def _view_bytes(self, view):
        try:
            return view.nbytes
        except ValueError:
            return 0

    def _array_type(self):
        """numpy's arrays, where the program uses numpy. Their class has no references that the collector sees."""
        found = _in_module("numpy", "ndarray")
        return found if type(found) is type else None

    def _array(self, obj, info):
        read = lambda name: _proxy_of(self.array)[name].__get__(obj)
        refs = gc.get_referents(obj)
        of_refs = self._labels(obj, info, list(map(id, refs)))
        labels = [of_refs or ", ".join(["null"] * len(refs))] if refs else []
        refs = list(refs)
        for name in ("base", "dtype"):
            value = read(name)
            if value is not None:
                refs.append(value)
                labels.append(f'".{name}"')
        if read("dtype").kind == "O":
            items = list(read("flat"))
            refs += items
            if items:
                labels.append(self._indexes(len(items)))
        return self._write(obj, info, refs, ", ".join(labels), f', "len": {read("size")}')

    def _generator(self, obj, info):
        refs = [ref for ref in gc.get_referents(obj) if id(ref) not in _made_locals]
        ids = list(map(id, refs))
        frame_name, running_name = _GENERATORS[info.cls]
        frame = None if getattr(obj, running_name) else getattr(obj, frame_name)
        labels = self.labels.found(obj, info, ids)
        if frame is not None and _VERSION >= (3, 11):
            cells = {}
            for ref in refs:
                if type(ref) is types.CellType and gc.get_referents(ref):
                    cells[id(gc.get_referents(ref)[0])] = id(ref)
            for name, value in (_locals(frame) or {}).items():
                for address in (id(value), cells.get(id(value))):
                    if address in ids and labels[ids.index(address)] is None:
                        labels[ids.index(address)] = name
        for place, ref in enumerate(refs):
            if type(ref) is types.FrameType:
                labels[place] = "." + frame_name
        code = obj.gi_code if info.cls is types.GeneratorType else None
        name = code.co_name if code is not None else object.__getattribute__(obj, "__name__")
        return self._write(
            obj, info, refs, self.labels.joined(labels), f', "name": {_quote(_clean(name))}'
        )

    def _greenlet(self, obj, info):
        """A greenlet that waits shows nothing to the collector; its frame leads to all else."""
        refs = list(gc.get_referents(obj))
        labels = self.labels.found(obj, info, list(map(id, refs)))
        known = set(map(id, refs))
        for name in ("gr_frame", "parent", "gr_context"):
            try:
                value = _proxy_of(self.greenlet)[name].__get__(obj)
            except Exception:
                continue
            if value is not None and id(value) not in known:
                refs.append(value)
                labels.append("." + name)
        dictionary = _dictionary_address(obj, info)
        if dictionary and dictionary not in known:
            refs.append(_ctypes.PyObj_FromPtr(dictionary))
            labels.append(".__dict__")
        return self._write(obj, info, refs, self.labels.joined(labels))

    # Frames

    def _frame(self, obj, info):
        """A frame that nobody runs: of a traceback, or of a suspended generator before 3.11."""
        seen = gc.get_referents(obj)
        back = next((ref for ref in seen if type(ref) is types.FrameType), None)
        if _VERSION >= (3, 11) and not seen:
            # It belongs to a generator, which shows everything itself.
            refs, labels = [obj.f_code], [".f_code"]
        else:
            refs, labels = _frame_references(obj, seen, back)
        name, value = self._of_frame(obj.f_code, obj.f_lineno)
        return self._write(obj, info, refs, self.labels.joined(labels), name + value)

    def _running_frame(self, frame):
        self.roots[frame.address] = frame.root
        name, value = self._of_frame(frame.code, frame.line)
        refs = ", ".join([str(id(ref)) for ref in frame.refs])
        labels = self._without_marks(self.labels.joined(frame.labels), frame.refs)
        self.out.lines.append(
            f'{{"address": {frame.address}, "type": "frame", "size": {frame.size}{name}{value}, "refs": [{refs}], '
            f'"labels": [{labels}]{self._root(frame.address)}}}'
        )
        return frame.refs

    def _of_frame(self, code, line):
        name = f', "name": {_quote(_clean(code.co_name))}'
        return name, self._value(f"{code.co_filename}:{line or 0}")


    # Lines

    def _count(self, address):
        """The field of the count of the object that is being written."""
        raw = self.raw
        if raw is None:
            return ""
        return self.count_fields[raw] if address not in self.counts.added else self.counts.field(address, raw)

    def _write_long(self, obj, info, refs, labels, fields):
        """Writes an object of very many references piece by piece; `labels` gives the labels of each piece."""
        out = self.out
        try:
            out.piece(f'{{"address": {id(obj)}{info.head}{info.size(obj)}{fields}, "refs": [')
            for at in range(0, len(refs), _LONG):
                out.piece((", " if at else "") + str(list(map(id, refs[at : at + _LONG])))[1:-1])
            out.piece('], "labels": [')
            for at, text in zip(range(0, len(refs), _LONG), labels):
                out.piece((", " if at else "") + self._without_marks(text, refs[at : at + _LONG]))
            out.piece(f"]{self._root(id(obj))}{self._count(id(obj))}}}\n", 1)
        except Exception as error:
            raise _CutLine(f"a line could not be finished: {error!r}") from error
        return refs

    def _write(self, obj, info, refs, labels, fields="", more=""):
        address = id(obj)
        ids = str(list(map(id, refs)))
        if _SECRET in labels:
            labels = self._without_marks(labels, refs)
        if labels:
            more = f', "labels": [{labels}]{more}'
        if address in self.roots:
            more += self._root(address)
        if self.raw is not None:
            more += self._count(address)
        self.out.lines.append(
            f'{{"address": {address}{info.head}{info.size(obj)}{fields}, "refs": {ids}{more}}}'
        )
        return refs
