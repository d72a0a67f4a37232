# Attributes ---------------------------------------------------------------------------------------------------------
#
# Where an object keeps its attributes, without asking it for `__dict__`: since 3.11 that makes a dictionary, before it may.
# Since 3.11 most objects have their values beside them, in the order of the keys that their class shares. Memory is read
# as CPython 3.11 to 3.14 lays it out; a probe says whether it is so here.

if _IS_NATIVE:
    # By its address: a py_object of ctypes would be asked for its `__class__`.
    _dictionary_pointer = _native("_PyObject_GetDictPtr", _Long, result=_Long)


def _dictionary_address(obj, info):
    """The address of the dictionary of an object's attributes; 0 where it has none, None where nobody knows."""
    if not _IS_NATIVE:
        return None
    if info.has_values:
        found = _word(id(obj) - 24)
        return 0 if found & 1 else found
    pointer = _dictionary_pointer(id(obj))
    return _word(pointer) if pointer else 0


def _offset_of_keys():
    """Where a class has the keys that its instances share: behind its name, its slots and its qualified name."""

    class Probe:
        pass

    name, qualified = id(_name_of(Probe)), id(type.__dict__["__qualname__"].__get__(Probe))
    for offset in range(0, type.__basicsize__ - 24, 8):
        if _word(id(Probe) + offset) == name and _word(id(Probe) + offset + 16) == qualified:
            return offset + 24
    return None


def _shared_names(cls):
    """The names of the attributes of a class's instances, in the order of their values."""
    keys = _word(id(cls) + _KEYS)
    if not keys:
        return []
    # dk_refcnt, dk_log2_size, dk_log2_index_bytes, dk_kind, dk_version, dk_usable, dk_nentries, indices, entries
    n_index_bytes = 1 << _Byte.from_address(keys + 9).value
    n_entries = _word(keys + 24)
    first = keys + 32 + n_index_bytes
    return [_ctypes.PyObj_FromPtr(_word(first + 16 * at)) for at in range(n_entries)]


def _values_address(obj, cls):
    """Where the values of an object's attributes are; 0 if it has a dictionary in their place."""
    if _VERSION >= (3, 13):
        values = id(obj) + _basic_size_of(cls)
        is_valid = _flags_of(cls) & _INLINE_VALUES and _Byte.from_address(values + 3).value
        return values + 8 if is_valid else 0
    if _VERSION >= (3, 12):
        values = _word(id(obj) - 24)
        return values + 1 if values & 1 else 0
    return _word(id(obj) - 32)


def _inline_attributes(obj, cls):
    """Pairs of a name and the address of a value, for the attributes that an object keeps without a dictionary."""
    values = _values_address(obj, cls)
    if not values:
        return []
    pairs = [(name, _word(values + 8 * at)) for at, name in enumerate(_shared_names(cls))]
    return [(name, address) for name, address in pairs if address]


def _can_read_attributes():
    """Whether all of this is so here."""
    if not _IS_NATIVE or _VERSION < (3, 11) or _KEYS is None:
        return False

    class Probe:
        def __init__(self):
            self.first, self.second, self.third = (Probe, 1), (Probe, 2), (Probe, 3)

    one, other = Probe(), Probe()
    del other.second
    with_dictionary = Probe()
    with_dictionary.__dict__
    info = _Type(Probe)
    info.prepare()
    known = [("first", one.first), ("second", one.second), ("third", one.third)]
    return (
        _inline_attributes(one, Probe) == [(name, id(value)) for name, value in known]
        and [name for name, _ in _inline_attributes(other, Probe)] == ["first", "third"]
        and _dictionary_address(one, info) == 0
        and _dictionary_address(with_dictionary, info) == id(with_dictionary.__dict__)
    )


_KEYS = _offset_of_keys() if _IS_NATIVE and _VERSION >= (3, 11) else None
_READS_ATTRIBUTES = _can_read_attributes()


def _hides_dictionaries():
    """Whether the collector is not shown a dictionary that was made of values which stay beside the object.

    So in the first releases of 3.13 (gh-130327): there the object shows the values, and its dictionary shows nothing.
    """
    if not _READS_ATTRIBUTES:
        return False

    class Probe:
        def __init__(self):
            self.first = (Probe, 1)

    probe = Probe()
    dictionary = probe.__dict__
    return all([ref is not dictionary for ref in gc.get_referents(probe)])


_HIDES_DICTIONARIES = _hides_dictionaries()


def _references(obj, info):
    """What an object refers to: its dictionary, where it has one, and not the values that this has."""
    refs = gc.get_referents(obj)
    if _HIDES_DICTIONARIES and info.is_inline:
        # As `_dictionary_address`, for each of many objects.
        dictionary = _Long.from_address(id(obj) - 24).value
        if dictionary and _values_address(obj, info.cls):
            values = [address for _, address in _inline_attributes(obj, info.cls)]
            addresses = list(map(id, refs))
            for address in values:
                # One for each: the class may be a value, too.
                if address in addresses:
                    at = addresses.index(address)
                    del addresses[at], refs[at]
            refs.append(_ctypes.PyObj_FromPtr(dictionary))
    return refs


def _offset_of_variables():
    """Where code has the names of all its variables, since 3.11 one tuple that Python does not show. Nothing else explains the
    reference to it. None where the memory of code is not laid out like this."""
    # A copy: code keeps the names that it was once asked for.
    code = _offset_of_variables.__code__.replace()
    if not _IS_NATIVE or _VERSION < (3, 11) or (_word(id(code) + 24), _word(id(code) + 32)) != (id(code.co_consts), id(code.co_names)):
        return None
    for offset in range(40, _basic_size_of(types.CodeType) - 8, 8):
        if (_word(id(code) + offset), _word(id(code) + offset + 8)) == (id(code.co_filename), id(code.co_name)):
            # The names, their kinds, the file.
            names = _word(id(code) + offset - 16)
            is_found = _word(names + 8) == id(tuple) and _ctypes.PyObj_FromPtr(names) == code.co_varnames
            return offset - 16 if is_found else None
    return None


_VARIABLES = _offset_of_variables()


def _offset_of_subclasses():
    """Where a class has the table of its subclasses: after its bases, its order of bases and a field without use."""
    if not _IS_NATIVE:
        return None

    class Probe:
        pass

    class Sub(Probe):
        pass

    for offset in range(0, type.__basicsize__ - 32, 8):
        at = id(Probe) + offset
        if _word(at) == id(_bases_of(Probe)) and _word(at + 8) == id(_real_mro_of(Probe)):
            table = _word(at + 24)
            is_found = table and _word(table + 8) == id(dict) and list(_ctypes.PyObj_FromPtr(table)) == [id(Sub)]
            return offset + 24 if is_found else None
    return None


_SUBCLASSES = _offset_of_subclasses()


def _offset_of_slots():
    """Where a class has the names of its slots, between its name and its qualified name; None where nobody knows."""
    if not _IS_NATIVE:
        return None

    class Probe:
        __slots__ = ("other", "one")

    name, qualified = id(_name_of(Probe)), id(_qualified_name_of(Probe))
    for offset in range(0, type.__basicsize__ - 24, 8):
        if _word(id(Probe) + offset) == name and _word(id(Probe) + offset + 16) == qualified:
            slots = _word(id(Probe) + offset + 8)
            return offset + 8 if slots and _word(slots + 8) == id(tuple) else None
    return None


_SLOTS = _offset_of_slots()


def _slots_of(cls):
    """The names of the slots of a class, as it keeps them for itself; None where it has none."""
    if _SLOTS is None or not _flags_of(cls) & _HEAP_TYPE:
        return None
    slots = _word(id(cls) + _SLOTS)
    return _ctypes.PyObj_FromPtr(slots) if slots else None


def _references_of_code(code):
    """What code refers to, which the collector does not know."""
    refs = [getattr(code, name) for name in _CODE]
    return refs if _VARIABLES is None else [*refs, _ctypes.PyObj_FromPtr(_word(id(code) + _VARIABLES))]


# Bounds of containers, which are no attributes that the collector could show.

_max_length_of = _collections.deque.__dict__["maxlen"].__get__
_LRU_CACHE = getattr(_functools, "_lru_cache_wrapper", None)


def _offset_of_bound():
    """Where an lru_cache has its bound: its function that gives it makes objects of the program's. None where nobody knows."""
    if not _IS_NATIVE or type(_LRU_CACHE) is not type:
        return None
    probes = [(bound, _LRU_CACHE(len, bound, False, tuple)) for bound in (0x5A17C3, 0x3C96E1D)]
    offsets = range(16, _basic_size_of(_LRU_CACHE) - 7, 8)
    found = [offset for offset in offsets if all([_word(id(probe) + offset) == bound for bound, probe in probes])]
    return found[0] if len(found) == 1 else None


_BOUND = _offset_of_bound()


def _bound_of_cache(cache):
    """How many results an lru_cache keeps; None if all."""
    bound = _word(id(cache) + _BOUND)
    return bound if bound < 1 << 63 else None
