# Types --------------------------------------------------------------------------------------------------------------

_GLOBALS = globals()
_real_mro_of = type.__dict__["__mro__"].__get__
_bases_of = type.__dict__["__bases__"].__get__
_base_of = type.__dict__["__base__"].__get__
_name_of = type.__dict__["__name__"].__get__
_flags_of = type.__dict__["__flags__"].__get__
_real_proxy_of = type.__dict__["__dict__"].__get__
_get_attribute = object.__getattribute__
_module_dict = types.ModuleType.__dict__["__dict__"].__get__
_function_name = types.FunctionType.__dict__["__name__"].__get__
_builtin_name = types.BuiltinFunctionType.__dict__["__name__"].__get__
_C_METHODS = (type(object.__init__), type(str.join), type(dict.__dict__["fromkeys"]))
_HEAP_TYPE = 1 << 9
_MANAGED_DICT = 1 << 4
_WITH_GC = 1 << 14
_GC_HEAD = 16

#: Attributes of built-in types that cost nothing to read, run nothing and make nothing.
_PLAIN = {
    types.FunctionType: ("__code__", "__defaults__", "__kwdefaults__", "__name__", "__qualname__"),
    types.BuiltinFunctionType: ("__self__",),
    types.TracebackType: ("tb_next",),
    types.GeneratorType: ("__name__", "__qualname__", "gi_yieldfrom"),
    types.CoroutineType: ("__name__", "__qualname__", "cr_await"),
    types.AsyncGeneratorType: ("__name__", "__qualname__", "ag_await"),
    BaseException: ("args", "__traceback__", "__context__", "__cause__"),
    types.CellType: ("cell_contents",),
}
#: By address, because a class may have an `__eq__` and a `__hash__` of its own.
_PLAIN = {id(cls): names for cls, names in _PLAIN.items()}
#: What a code object refers to; the collector does not know.
_CODE = ["co_consts", "co_names", "co_filename", "co_name"]
if _VERSION < (3, 11):
    _CODE += ["co_code", "co_varnames", "co_freevars", "co_cellvars"]
    _CODE += ["co_lnotab"] if _VERSION < (3, 10) else ["co_linetable"]
else:
    _CODE += ["co_qualname", "co_linetable", "co_exceptiontable"]
#: Where a suspended generator keeps its frame.
_GENERATORS = {
    types.GeneratorType: ("gi_frame", "gi_running"),
    types.CoroutineType: ("cr_frame", "cr_running"),
    types.AsyncGeneratorType: ("ag_frame", "ag_running"),
}


def _mro_of(cls):
    """The class and its bases. Some types of old Pythons are never made ready, and have none."""
    return _real_mro_of(cls) or (cls,)


def _proxy_of(cls):
    """What a class has in its dictionary."""
    return _real_proxy_of(cls) or {}


def _class_dict(cls):
    """The dictionary of a type itself, and not the view that `__dict__` gives."""
    inner = gc.get_referents(_real_proxy_of(cls))
    return inner[0] if inner and type(inner[0]) is dict else None


def _is_one_of(cls, classes):
    """`cls in classes` by identity: a class may have an `__eq__` of its own."""
    return any(cls is one for one in classes)


def _in_class(mro, name):
    """What a class or its bases have under a name; None where nothing."""
    for cls in mro:
        found = _proxy_of(cls).get(name)
        if found is not None:
            return found
    return None


def _names_in(code):
    """The names that a function and what is inside it use."""
    todo, names = [code], {}
    while todo:
        code = todo.pop()
        for name in chain(code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars):
            names[name] = None
        todo.extend(const for const in code.co_consts if type(const) is types.CodeType)
    return names


class _Type:
    """What is known of a type: how to write its objects, and how to find the names of what they refer to."""

    __slots__ = ("cls", "mro", "head", "size", "plain", "names", "readers", "known", "quick", "samples", "has_values")

    def __init__(self, cls):
        self.cls = cls
        self.mro = _mro_of(cls)
        self.head = f', "type": {_quote(_clean(_name_of(cls)))}, "size": '
        size = _in_class(self.mro, "__sizeof__")
        # A `__sizeof__` in Python is the program's own code.
        self.size = sys.getsizeof if _is_one_of(type(size), _C_METHODS) else self._bare_size
        #: By number of references: what was found before.
        self.known = {}
        #: Pairs of a label and a function of the object.
        self.readers = None
        self.names = {}
        self.samples = _SAMPLES
        self.has_values = False
        self.quick = False

    def _bare_size(self, obj):
        size = object.__sizeof__(obj)
        return size + _GC_HEAD if _flags_of(self.cls) & _WITH_GC else size

    def prepare(self):
        """Finds out which attributes can be read without running anything of the program."""
        readers = []
        for cls in self.mro:
            for name, found in _proxy_of(cls).items():
                if type(found) is types.MemberDescriptorType and type(name) is str:
                    readers.append(("." + name, found.__get__))
            for name in _PLAIN.get(id(cls), ()):
                found = _proxy_of(cls).get(name)
                if found is not None:
                    readers.append(("." + name, found.__get__))
        self.readers = readers
        self.has_values = _VERSION >= (3, 11) and bool(_flags_of(self.cls) & _MANAGED_DICT)
        self.quick = (
            _in_class(self.mro, "__getattribute__") is _get_attribute_slot
            and _in_class(self.mro, "__getattr__") is None
        )
        if self.has_values:
            for cls in self.mro:
                for found in list(_proxy_of(cls).values()):
                    if type(found) is staticmethod or type(found) is classmethod:
                        found = found.__func__
                    elif type(found) is property:
                        found = found.fget
                    if type(found) is types.FunctionType:
                        self.add_names(_names_in(found.__code__))

    def add_names(self, names):
        """Adds attributes that instances may have. A descriptor of that name would run, so these are left out."""
        for name in names:
            if name in self.names or type(name) is not str:
                continue
            found = _in_class(self.mro, name)
            if found is None or _in_class(_mro_of(type(found)), "__get__") is None:
                self.names[name] = None


_get_attribute_slot = object.__dict__["__getattribute__"]


class _Template:
    """The labels of objects of one type with so many references, and how to see that they fit."""

    __slots__ = ("labels", "values", "places", "dictionary")

    def __init__(self, labels, found, quick, dictionary):
        self.labels = labels
        #: Where the dictionary of attributes is, which cannot be asked for.
        self.dictionary = dictionary
        self.places = [place for place, _, _ in found]
        if len(found) == 1:
            [(place, _, get)] = found
            self.values = lambda obj: (get(obj),)
            self.places = lambda ids: (ids[place],)
            return
        if quick and all(name is not None for _, name, _ in found):
            self.values = attrgetter(*[name for _, name, _ in found])
            self.places = itemgetter(*self.places)
            return
        getters = [get for _, _, get in found]
        self.values = lambda obj: [get(obj) for get in getters]
        places = self.places
        self.places = lambda ids: tuple([ids[place] for place in places])

    def fits(self, obj, refs, ids):
        if self.dictionary is not None and type(refs[self.dictionary]) is not dict:
            return False
        try:
            return tuple(map(id, self.values(obj))) == self.places(ids)
        except (AttributeError, ValueError):
            return False
