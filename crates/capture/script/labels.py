# Labels -------------------------------------------------------------------------------------------------------------


class _Labels:
    """By what an object refers to another: names of attributes, keys, indexes."""

    def __init__(self, options, values):
        self.options = options
        self.values = values
        #: With `redact`: the names that the program's text has.
        self.names = None
        self.keys = _KeyLabels(self.key)
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
        return f"<{_clean(_name_of(cls))}>"

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

    def of(self, obj, info, refs, ids):
        """The labels of an object's references, ready to be written; empty where none is known."""
        known = info.known.get(len(ids))
        if known is not None:
            for template in known:
                if template.fits(obj, refs, ids):
                    return template.labels
        found = []
        labels = self.found(obj, info, ids, found)
        if info.has_values and info.samples and self.options.fork and None in labels:
            info.samples -= 1
            info.add_names(self._attributes(obj, info))
            found = []
            labels = self.found(obj, info, ids, found)
        text = self.joined(labels)
        dictionary = labels.index(".__dict__") if ".__dict__" in labels else None
        n_known = len(found) + (dictionary is not None)
        # What has no label here may have one in the next object, unless there is nothing to read.
        if found and (n_known == len(ids) or not (info.readers or info.has_values)):
            known = info.known.setdefault(len(ids), [])
            known.insert(0, _Template(text, found, info.quick, dictionary))
            del known[4:]
        return text

    def _attributes(self, obj, info):
        """The names of an object's attributes, from its dictionary.

        Since 3.11 asking for it makes one. Only the child asks, only for some objects of a type, and it has looked at
        their references before, so that neither the program nor the dump ever has these dictionaries.
        """
        descriptor = _in_class(info.mro, "__dict__")
        if type(descriptor) is not types.GetSetDescriptorType:
            return ()
        try:
            found = descriptor.__get__(obj)
        except Exception:
            return ()
        return list(found) if type(found) is dict else ()

    def found(self, obj, info, ids, found=None):
        """The label of every reference; None where it is not known. `found` gets place, name and way of each."""
        if info.readers is None:
            info.prepare()
        labels = [None] * len(ids)
        places = {}
        for place in range(len(ids) - 1, -1, -1):
            places.setdefault(ids[place], []).append(place)

        def note(value, label, name, get):
            at = places.get(id(value))
            if at:
                place = at.pop()
                labels[place] = label
                if found is not None:
                    found.append((place, name, get))

        for label, get in info.readers:
            try:
                note(get(obj), label, None, get)
            except Exception:
                # A slot without a value.
                continue
        if info.has_values:
            for name in info.names:
                try:
                    value = _get_attribute(obj, name)
                except Exception:
                    continue
                label = self.attribute(name)
                note(value, label, name, lambda obj, name=name: _get_attribute(obj, name))
        note(info.cls, ".__class__", "__class__", type)
        if None in labels:
            self._label_dict(obj, info, ids, labels)
        return labels

    def _label_dict(self, obj, info, ids, labels):
        """Finds the dictionary of attributes among what has no label yet, without asking for it."""
        if info.cls is types.FunctionType:
            return self._label_function(obj, ids, labels)
        descriptor = _in_class(info.mro, "__dict__")
        if type(descriptor) is not types.GetSetDescriptorType:
            return
        for place, ref in enumerate(gc.get_referents(obj)):
            if type(ref) is dict and id(ref) in ids:
                place = ids.index(id(ref))
                if labels[place] is None:
                    labels[place] = ".__dict__"
                    return

    def _label_function(self, obj, ids, labels):
        """A function's `__dict__` lies behind its name; `__annotations__` behind its closure."""
        refs = gc.get_referents(obj)
        code = obj.__code__
        arguments = set(code.co_varnames) | {"return"}
        for place, ref in enumerate(refs):
            if labels[place] is None and type(ref) is dict:
                is_annotations = all(type(key) is str and key in arguments for key in ref)
                labels[place] = ".__annotations__" if is_annotations and ref else ".__dict__"

    def joined(self, labels):
        if all(label is None for label in labels):
            return ""
        return ", ".join(["null" if label is None else _quote(_clean(label)) for label in labels])


class _KeyLabels(dict):
    """By key of a dictionary, the labels of the references to the key and to its value, ready to be written."""

    def __init__(self, label):
        self._label = label

    def made(self, key):
        return f'"<key>", {_quote(self._label(key))}'

    def __missing__(self, key):
        made = self[key] = self.made(key)
        return made
