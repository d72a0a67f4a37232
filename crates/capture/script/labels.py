# Labels -------------------------------------------------------------------------------------------------------------


class _Template:
    """The labels of objects of one type with so many references, and how to see that they fit."""

    __slots__ = ("labels", "values", "places", "dictionary", "defaults", "info")

    def __init__(self, labels, found, info, dictionary):
        self.labels = labels
        #: Where the dictionary of attributes is, which cannot be asked for.
        self.dictionary = dictionary
        self.info = info
        getters = [get for _, _, get in found]
        places = [place for place, _, _ in found]
        names = [name for _, name, _ in found]
        #: Where an object without the attribute would give that of its class.
        self.defaults = [
            (place, id(info.default(name)))
            for place, name in zip(places, names)
            if name is not None and name != "__class__" and info.default(name) is not None
        ]
        if len(found) == 1:
            [place], [get] = places, getters
            self.values = lambda obj: (get(obj),)
            self.places = lambda ids: (ids[place],)
            return
        self.places = itemgetter(*places)
        if info.quick and None not in names:
            self.values = attrgetter(*names)
        else:
            self.values = lambda obj: [get(obj) for get in getters]

    def fits(self, obj, ids):
        if self.dictionary is not None and _dictionary_address(obj, self.info) != ids[self.dictionary]:
            return False
        try:
            if tuple(map(id, self.values(obj))) != self.places(ids):
                return False
        except (AttributeError, ValueError):
            return False
        return all([ids[place] != default for place, default in self.defaults]) if self.defaults else True


class _Labels:
    """By what an object refers to another: names of attributes, keys, indexes."""

    def __init__(self, options, values):
        self.options = options
        self.values = values
        self.masks = options.masks
        #: See `_Stacks`.
        self.local_owners = {}
        #: With `redact`: the names that the program's text has.
        self.names = None
        self.keys = _KeyLabels(self.key, options.masks)
        self.index_labels = [f'"[{i}]"' for i in range(1024)]

    def key(self, key):
        """How a key is written in a label. Nothing of the program runs, so only built-in types are shown."""
        cls = type(key)
        if self.options.redact:
            if cls is str:
                if key in self.names:
                    return f"[{key!r}]"
                return f"['{self.values.redacted(key)[1:-1]}']"
            return f"[<{_clean(_name_of(cls))}>]"
        return f"[{self._shown_key(key, cls)}]"

    def _shown_key(self, key, cls):
        if cls is str or cls is bytes:
            more = "…" if cls is str else b"..."
            return repr(key if len(key) <= SHORT else key[:SHORT] + more)
        if cls is int and not -(10**30) < key < 10**30:
            return "<int>"
        if cls is int or cls is float or cls is bool or key is None:
            return repr(key)
        if cls is tuple and len(key) <= 4 and not any(type(part) is tuple for part in key):
            return f"({', '.join([self._shown_key(part, type(part)) for part in key])})"
        owner = self._thread_of(key)
        return f"<{_clean(_name_of(cls)) if owner is None else owner}>"

    def _thread_of(self, key):
        """Which thread a key of a table of `threading.local` stands for; None where that is not what it is."""
        target = _weakref.ReferenceType.__call__(key) if type(key) is _weakref.ReferenceType else key
        owner = self.local_owners.get(id(target))
        return owner if owner is not None and _type_name(type(target)) == "_thread._localdummy" else None

    def variable(self, key):
        """The label of a value in a context, ready to be written; `key` is its ContextVar."""
        name = _own(type(key), "name").__get__(key)
        if self.options.redact or type(name) is not str:
            return '"[<ContextVar>]"'
        mark = _SECRET if self.masks.cover(name) else ""
        return f'"{mark}{_quote(_clean(f"[<ContextVar {name[:SHORT]}>]"))[1:]}'

    def attribute(self, name):
        """The label of an instance's attribute, whose name may be data."""
        names = self.names
        if names is not None and name not in names:
            name = self.values.redacted(name)[1:-1]
        return "." + name

    def indexes(self, n):
        """The labels of n items, ready to be written."""
        if n <= 1024:
            return ", ".join(self.index_labels[:n])
        return ", ".join([f'"[{i}]"' for i in range(n)])

    def index_pieces(self, n, n_at_once):
        """The same in pieces."""
        for at in range(0, n, n_at_once):
            yield ", ".join([f'"[{i}]"' for i in range(at, min(at + n_at_once, n))])

    def of(self, obj, info, ids):
        """The labels of an object's references, ready to be written; empty where none is known."""
        known = info.known.get(len(ids))
        if known is not None:
            for template in known:
                if template.fits(obj, ids):
                    return template.labels
        found = []
        labels = self.found(obj, info, ids, found)
        text = self.joined(labels)
        dictionary = labels.index(".__dict__") if ".__dict__" in labels else None
        n_known = len(found) + (dictionary is not None)
        # What has no label here may have one in the next object, unless there is nothing to read.
        if found and None not in found and (n_known == len(ids) or not (info.readers or info.has_values)):
            known = info.known.setdefault(len(ids), [])
            known.insert(0, _Template(text, found, info, dictionary))
            del known[4:]
        return text

    def found(self, obj, info, ids, found=None):
        """The label of every reference; None where it is not known. `found` gets place, name and way of each.

        A None in `found` says that something cannot be read in another object, so that there is no template.
        """
        if info.readers is None:
            info.prepare()
        labels = [None] * len(ids)
        places = {}
        for place in range(len(ids) - 1, -1, -1):
            places.setdefault(ids[place], []).append(place)

        def note(address, label, name, get):
            at = places.get(address)
            if at:
                place = at.pop()
                labels[place] = label
                if found is not None:
                    found.append((place, name, get) if get is not None else None)

        for label, get in info.readers:
            try:
                note(id(get(obj)), label, None, get)
            except Exception:
                # A slot without a value.
                continue
        if info.has_values:
            for name, address in self._attributes(obj, info):
                get = (lambda obj, name=name: _get_attribute(obj, name)) if info.is_plain(name) else None
                note(address, self.attribute(name), name, get)
        note(id(info.cls), ".__class__", "__class__", type)
        if None in labels:
            self._label_dict(obj, info, places, labels)
        return labels

    def _attributes(self, obj, info):
        """Pairs of a name and the address of a value."""
        if _READS_ATTRIBUTES:
            return [(name, address) for name, address in _inline_attributes(obj, info.cls) if type(name) is str]
        info.guess_names()
        pairs = []
        for name in info.names:
            try:
                pairs.append((name, id(_get_attribute(obj, name))))
            except Exception:
                continue
        return pairs

    def _label_dict(self, obj, info, places, labels):
        """Finds the dictionary of attributes, without asking for it."""
        at = places.get(_dictionary_address(obj, info))
        if at:
            labels[at.pop()] = ".__dict__"
        if info.cls is types.FunctionType:
            # Of all that a function refers to and that has no name so far, only one is ever a dictionary.
            for place, ref in enumerate(gc.get_referents(obj)):
                if labels[place] is None and type(ref) is dict and _IS_NATIVE:
                    labels[place] = ".__annotations__"

    def joined(self, labels):
        if all(label is None for label in labels):
            return ""
        return ", ".join(["null" if label is None else self.masks.marked(label) for label in labels])


class _KeyLabels(dict):
    """By key of a dictionary, the labels of the references to the key and to its value, ready to be written."""

    def __init__(self, label, masks):
        self._label = label
        self._masks = masks

    def made(self, key):
        label = _quote(self._label(key))
        if (type(key) is str or type(key) is bytes) and self._masks.cover(key):
            label = f'"{_SECRET}{label[1:]}'
        return f'"<key>", {label}'

    def pieces(self, keys, n_at_once):
        """The labels of many keys, so many at once."""
        made = []
        for key in keys:
            made.append(self.made(key))
            if len(made) == n_at_once:
                yield ", ".join(made)
                made = []
        if made:
            yield ", ".join(made)

    def __missing__(self, key):
        made = self[key] = self.made(key)
        return made
