# Types --------------------------------------------------------------------------------------------------------------

_GLOBALS = globals()
_BUILTINS = vars(builtins)
_real_mro_of = type.__dict__["__mro__"].__get__
_bases_of = type.__dict__["__bases__"].__get__
_base_of = type.__dict__["__base__"].__get__
_basic_size_of = type.__dict__["__basicsize__"].__get__
_name_of = type.__dict__["__name__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__
_module_of = type.__dict__["__module__"].__get__
_flags_of = type.__dict__["__flags__"].__get__
_real_proxy_of = type.__dict__["__dict__"].__get__
_get_attribute = object.__getattribute__
_module_dict = types.ModuleType.__dict__["__dict__"].__get__
_function_name = types.FunctionType.__dict__["__name__"].__get__
_builtin_name = types.BuiltinFunctionType.__dict__["__name__"].__get__
_C_METHODS = (type(object.__init__), type(str.join), type(dict.__dict__["fromkeys"]))
_HEAP_TYPE = 1 << 9
_MANAGED_DICT = 1 << 4
_INLINE_VALUES = 1 << 2
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
    # Before 3.13 types of ctypes have a dictionary of a type of its own, written in C.
    return inner[0] if inner and _is_one_of(dict, _mro_of(type(inner[0]))) else None


def _is_of_texts(space):
    """Whether all keys of a dictionary are texts: the collector is shown its keys as soon as one is none."""
    return len(gc.get_referents(space)) == len(space)


def _item(space, name):
    """What a dictionary has under a name; None where nothing.

    A key that is no `str` may have an `__eq__` of its own and the hash of the name: then every key is looked at.
    """
    if _is_of_texts(space):
        return space.get(name)
    for key, found in space.items():
        if type(key) is str and key == name:
            return found
    return None


def _own(cls, name):
    """What a class itself has under a name; None where nothing."""
    space = _class_dict(cls)
    return None if space is None else _item(space, name)


def _in_module(module, name):
    """What a module has under a name; None where nothing, or where the program does not use the module."""
    found = _item(sys.modules, module) if type(sys.modules) is dict else None
    return _item(_module_dict(found), name) if type(found) is types.ModuleType else None


def _type_name(cls):
    """The name of a type: with its module, unless that is `builtins`, as the interpreter itself shows it."""
    # Names may be of subclasses of `str`, with methods of their own.
    name = str.__str__(_qualified_name_of(cls))[:_LONGEST_NAME]
    if _flags_of(cls) & _HEAP_TYPE:
        module = _own(cls, "__module__")
    else:
        module = _module_of(cls)
    if not _is_one_of(str, _mro_of(type(module))):
        return name
    module = str.__str__(module)[:_LONGEST_NAME]
    return name if module == "builtins" or not module else f"{module}.{name}"


#: Characters of a module or of the qualified name of a type.
_LONGEST_NAME = 500


def _is_one_of(cls, classes):
    """`cls in classes` by identity: a class may have an `__eq__` of its own."""
    return any(cls is one for one in classes)


def _in_class(mro, name):
    """What a class or its bases have under a name; None where nothing."""
    for cls in mro:
        found = _own(cls, name)
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

    __slots__ = ("cls", "mro", "head", "size", "plain", "names", "readers", "known", "quick", "has_values", "is_inline", "is_of_texts")

    def __init__(self, cls):
        self.cls = cls
        self.mro = _mro_of(cls)
        self.head = f', "type": {_quote(_clean(_type_name(cls)))}, "size": '
        #: Whether the interpreter may look for a name in the class and its bases: any other key could have an `__eq__`.
        self.is_of_texts = all([_is_of_texts(_class_dict(one) or {}) for one in self.mro])
        size = _in_class(self.mro, "__sizeof__")
        # A `__sizeof__` in Python is the program's own code.
        is_safe = self.is_of_texts and _is_one_of(type(size), _C_METHODS)
        self.size = sys.getsizeof if is_safe else self._bare_size
        #: By number of references: what was found before.
        self.known = {}
        #: Pairs of a label and a function of the object.
        self.readers = None
        self.names = {}
        flags = _flags_of(cls)
        self.has_values = _VERSION >= (3, 11) and bool(flags & _MANAGED_DICT)
        #: Whether objects have room for the values of their attributes, even those that have a dictionary.
        self.is_inline = _VERSION >= (3, 13) and self.has_values and bool(flags & _INLINE_VALUES)
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
                found = _own(cls, name)
                if found is not None:
                    readers.append(("." + name, found.__get__))
        self.readers = readers
        self.quick = (
            self.is_of_texts
            and _in_class(self.mro, "__getattribute__") is _get_attribute_slot
            and _in_class(self.mro, "__getattr__") is None
        )

    def guess_names(self):
        """Finds names that attributes may have in the code of the class, where nothing better is to be had."""
        if not self.names:
            for cls in self.mro:
                for found in list(_proxy_of(cls).values()):
                    if type(found) is staticmethod or type(found) is classmethod:
                        found = found.__func__
                    elif type(found) is property:
                        found = found.fget
                    if type(found) is types.FunctionType:
                        self.add_names(_names_in(found.__code__))

    def add_names(self, names):
        for name in names:
            if type(name) is str and self.is_plain(name):
                self.names[name] = None

    def is_plain(self, name):
        """Whether an attribute of that name can be read: a descriptor in the class would run."""
        if not self.is_of_texts:
            return False
        found = self.default(name)
        return found is None or _in_class(_mro_of(type(found)), "__get__") is None

    def default(self, name):
        """What the class itself has under a name."""
        return _in_class(self.mro, name)


_get_attribute_slot = object.__dict__["__getattribute__"]
