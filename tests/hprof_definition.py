"""An HPROF of HotSpot with ids of 8 bytes, read in the obvious way: what refers to what, and what nothing else keeps alive.

Independent of the reader in this repository: written from the format alone, slow, and without sizes, which no file has.
"""

import struct

WIDTH = {2: 8, 4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}
OBJECT = 2
#: What follows the id of a root, by tag.
ROOTS = {0xFF: 0, 0x01: 8, 0x02: 8, 0x03: 8, 0x04: 4, 0x05: 0, 0x06: 4, 0x07: 0, 0x08: 8}
REFERENCE = "java.lang.ref.Reference"
SOFT = "java.lang.ref.SoftReference"
#: The loaders that the VM keeps.
LASTING_LOADERS = {f"jdk.internal.loader.ClassLoaders${name}ClassLoader" for name in ("Boot", "Platform", "App")}


class Definition:
    """The graph of one file: `children` by address, and `referents` as (address of the referent, whether the reference is soft).

    An instance refers to its class if that class is hidden, as the class of a lambda, or of a loader that can be collected: only
    instances keep such a class. The classes of arrays that are never unloaded are roots, as no record says.
    """

    def __init__(self, path):
        self.data = path.read_bytes()
        self.strings, self.names, self.classes = {}, {}, {}
        self.instances, self.arrays, self.values = [], [], []
        self.roots = set()
        self.read()
        self.children = {}
        self.referents = {}
        self.resolve()
        #: Class to what is in its fields that no file has, as far as the content of the dump says it.
        self.class_fields = {}
        self.find_class_fields()

    def number(self, form, at):
        return struct.unpack_from(">" + form, self.data, at)[0]

    def read(self):
        at = self.data.index(b"\0") + 13
        while at < len(self.data):
            tag, _, length = struct.unpack_from(">BII", self.data, at)
            at += 9
            if tag == 0x01:
                self.strings[self.number("Q", at)] = self.data[at + 8 : at + length].decode("utf-8", "replace")
            elif tag == 0x02:
                self.names[self.number("Q", at + 4)] = self.number("Q", at + 16)
            elif tag in (0x0C, 0x1C):
                self.read_heap(at, at + length)
            at += length

    def read_heap(self, at, end):
        while at < end:
            tag = self.data[at]
            at += 1
            if tag == 0x20:
                at = self.read_class(at)
            elif tag == 0x21:
                address, _, of, size = struct.unpack_from(">QIQI", self.data, at)
                self.instances.append((address, of, at + 24))
                at += 24 + size
            elif tag == 0x22:
                address, _, count, _ = struct.unpack_from(">QIIQ", self.data, at)
                self.arrays.append((address, struct.unpack_from(f">{count}Q", self.data, at + 24)))
                at += 24 + 8 * count
            elif tag == 0x23:
                address, _, count, kind = struct.unpack_from(">QIIB", self.data, at)
                self.values.append(address)
                at += 17 + count * WIDTH[kind]
            else:
                self.roots.add(self.number("Q", at))
                at += 8 + ROOTS[tag]

    def read_class(self, at):
        address = self.number("Q", at)
        #: Superclass, loader, signers, protection domain and two that are reserved.
        references = list(struct.unpack_from(">6Q", self.data, at + 12))
        above = references[0]
        at += 64
        for name_bytes in (2, 8):
            count = self.number("H", at)
            at += 2
            for _ in range(count):
                kind = self.data[at + name_bytes]
                if kind == OBJECT:
                    references.append(self.number("Q", at + name_bytes + 1))
                at += name_bytes + 1 + WIDTH[kind]
        count = self.number("H", at)
        at += 2
        fields = [(self.number("Q", at + 9 * i), self.data[at + 9 * i + 8]) for i in range(count)]
        self.classes[address] = (above, references, fields)
        return at + 9 * count

    def name(self, of):
        return self.strings.get(self.names.get(of), "?").replace("/", ".")

    def above(self, of):
        """A class and what it inherits from."""
        while of:
            yield of
            of = self.classes[of][0]

    def resolve(self):
        there = {row[0] for row in self.instances + self.arrays} | set(self.values) | self.classes.keys()
        layouts = {}
        instances = {address: of for address, of, _ in self.instances}
        for address, of, body in self.instances:
            if of not in layouts:
                at, found = 0, []
                for owner in self.above(of):
                    for field, kind in self.classes[owner][2]:
                        if kind == OBJECT:
                            is_referent = self.name(owner) == REFERENCE and self.strings[field] == "referent"
                            found.append((at, is_referent))
                        at += WIDTH[kind]
                is_unloaded = "+0x" in self.name(of) or self.is_unloadable(of, instances)
                layouts[of] = (found, SOFT in map(self.name, self.above(of)), [of] if is_unloaded else [])
            found, is_soft, out = layouts[of]
            self.children[address] = out = list(out)
            for at, is_referent in found:
                target = self.number("Q", body + at)
                if target not in there:
                    continue
                if not is_referent:
                    out.append(target)
                else:
                    self.referents[address] = (target, is_soft)
        for address, elements in self.arrays:
            self.children[address] = [target for target in elements if target in there]
        self.roots |= {of for of in self.classes if self.name(of).startswith("[") and not self.is_unloadable(of, instances)}
        for address, (_, references, _) in self.classes.items():
            self.children[address] = [target for target in references if target in there]

    def is_unloadable(self, of, instances):
        """Whether a class is of a loader that the VM does not keep, so that its objects keep it."""
        loader = self.classes[of][1][1]
        return loader != 0 and self.name(instances.get(loader)) not in LASTING_LOADERS

    def find_class_fields(self):
        """A soft reference to the reflection data of a class is of the class that declares one of its members; generic
        information is of the class that its factory names."""
        found = {address: (of, body) for address, of, body in self.instances}
        elements = dict(self.arrays)
        for address, (of, body) in found.items():
            name, holder = self.name(of), None
            if name == SOFT:
                data = self.referents.get(address, (0,))[0]
                if data in found and self.name(found[data][0]) == "java.lang.Class$ReflectionData":
                    fields = self.fields(*found[data])
                    own = [fields[f"{public}{kind}"] for public in ("declared", "declaredPublic") for kind in ("Fields", "Methods")]
                    own += [fields["declaredConstructors"], fields["publicConstructors"]]
                    members = [found[member] for array in own for member in elements.get(array, ())]
                    holder = next((self.fields(*member)["clazz"] for member in members), None)
            elif name == "sun.reflect.generics.repository.ClassRepository":
                factory = self.fields(of, body)["factory"]
                holder = self.fields(*found[factory])["decl"] if factory else None
            if holder:
                self.class_fields.setdefault(holder, []).append(address)

    def fields(self, of, body):
        """The references of an instance by the name of the field."""
        at, out = body, {}
        for owner in self.above(of):
            for field, kind in self.classes[owner][2]:
                if kind == OBJECT:
                    out.setdefault(self.strings[field], self.number("Q", at))
                at += WIDTH[kind]
        return out

    def reached(self, roots, without=None, weak=False, class_fields=True):
        """What is alive without one object: soft referents are, and those of other references if `weak` ones count."""
        seen = set(roots) - {without}
        waiting = list(seen)
        while waiting:
            parent = waiting.pop()
            targets = self.children.get(parent, ())
            if parent in self.referents:
                target, is_soft = self.referents[parent]
                if is_soft or weak:
                    targets = [*targets, target]
            if class_fields:
                targets = [*targets, *self.class_fields.get(parent, ())]
            for target in targets:
                if target not in seen and target != without:
                    seen.add(target)
                    waiting.append(target)
        return seen
