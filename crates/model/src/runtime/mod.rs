//! What is known of the programs that dumps are of: which types are texts, what keeps what alive, what a label says.
//!
//! All of it is data, one [`Runtime`] per way in which a runtime writes its dumps, found by the format that a manifest
//! names. Nothing else in the code names a type of Python: a new runtime is a new entry here.

mod jvm;

use std::fmt;

use crate::{
    cpython_capacity,
    entries::{CollectionParts, EntryWay},
    root_kind,
};
use jvm::JVM;

/// What is known of the dumps of one format.
pub struct Runtime {
    /// Its name, `CPython`.
    pub name: &'static str,
    /// Whether an object keeps its address for as long as it lives. False where a collector moves objects.
    pub addresses_survive: bool,
    /// What objects are to which no object refers.
    pub unreferenced: Unreferenced,
    /// The version of the format from which on dumps name types with their module; `None` where none does.
    types_have_modules_from: Option<u32>,
    /// Types whose references keep nothing alive although the dump does not mark them.
    weak_types: &'static [&'static str],
    /// Types whose objects are kept alive by something that the dump does not record.
    kept_alive: &'static [(&'static str, KeptAlive)],
    /// Types by role; a type may have several.
    roles: &'static [(TypeRole, &'static [&'static str])],
    /// The name of the module that is the program itself, beside those that it imports; empty if there is none.
    main_module: &'static str,
    /// Types by their [`Nature`].
    natures: &'static [(Nature, &'static [&'static str])],
    /// What roots are, by type, name and kind.
    root_notes: &'static [((&'static str, &'static str, &'static str), &'static str)],
    /// Whether dumps say by what an object refers to another.
    pub has_labels: bool,
    /// Whether kinds of roots have the frame after the name of the thread.
    roots_have_frames: bool,
    /// The type of classes by whose names a program reaches what is static.
    class_type: Option<&'static str>,
    /// How values are found by keys and indexes of collections, where references have other labels.
    entry_ways: &'static [EntryWay],
    /// Types of collections around another one, and by which labels they refer to it.
    entry_wrappers: &'static [(&'static [&'static str], &'static [&'static str])],
    /// Labels of references that the virtual machine has beside those of the program.
    machine_labels: &'static [&'static str],
    /// What collections consist of.
    collection_parts: &'static [CollectionParts],
    label_says: for<'l> fn(&'l str) -> LabelSays<'l>,
    field_labels: fn(&str) -> Option<FieldLabels>,
    /// By version, type, shallow size and number of items.
    capacity: fn(&str, &str, u64, u64) -> Option<Capacity>,
}

/// What objects are to which no object refers, and which no root is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreferenced {
    /// An object is freed with the last reference to it: something outside of the dump holds them.
    HeldOutside,
    /// They wait for the collector, but for those to which an object of one of these types refers weakly: they wait for their
    /// finalizer first.
    Garbage {
        /// The types.
        finalizers: &'static [&'static str],
    },
}

impl Unreferenced {
    /// The kind of root of such an object.
    pub fn root_kind(self) -> &'static str {
        match self {
            Self::HeldOutside => root_kind::UNREFERENCED,
            Self::Garbage { .. } => root_kind::GARBAGE,
        }
    }

    /// Whether nothing outside of the dump holds them.
    pub fn is_garbage(self) -> bool {
        matches!(self, Self::Garbage { .. })
    }
}

/// How many items a container has room for before it must grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Items, those that it has included.
    pub items: u64,
    /// Bytes that are set aside for each.
    pub item_bytes: u64,
}

impl Capacity {
    /// Bytes that are set aside for items that are not there.
    pub fn unused_bytes(self, len: u64) -> u64 {
        self.items.saturating_sub(len).saturating_mul(self.item_bytes)
    }
}

/// By which labels an object refers to the value of one of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLabels {
    /// The label of a reference of the object itself.
    pub own: String,
    /// The label of its reference to its namespace, where fields may be instead.
    pub namespace: &'static str,
    /// The label of a reference of that namespace.
    pub key: String,
}

/// What the objects of a type are for, in words that mean the same for every runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeRole {
    /// Texts that cannot change: equal ones could be one object.
    Text,
    /// Texts that can change.
    Buffer,
    /// Numbers.
    Number,
    /// Containers of the language itself. They are part of whatever refers to them.
    Container,
    /// Tables of attributes, that of an object or of a module.
    Attributes,
    /// Modules.
    Module,
    /// Frames of running or suspended functions.
    Frame,
    /// Internals of the runtime that no class of a program stands for.
    Internal,
}

impl TypeRole {
    /// Every role, in the order of declaration.
    pub const ALL: [TypeRole; 8] = [
        TypeRole::Text,
        TypeRole::Buffer,
        TypeRole::Number,
        TypeRole::Container,
        TypeRole::Attributes,
        TypeRole::Module,
        TypeRole::Frame,
        TypeRole::Internal,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            TypeRole::Text => "text",
            TypeRole::Buffer => "buffer",
            TypeRole::Number => "number",
            TypeRole::Container => "container",
            TypeRole::Attributes => "attributes",
            TypeRole::Module => "module",
            TypeRole::Frame => "frame",
            TypeRole::Internal => "internal",
        }
    }

    /// The role with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Which properties of the objects of a type never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Value, length and size. Objects in which these are equal cannot be told apart.
    Value,
    /// Value and length. The size may grow: CPython keeps the UTF-8 form of a text beside it after the first request.
    Text,
    /// Length, size and references.
    Tuple,
    /// Value (which code it runs) and size.
    Frame,
    /// The name, if it has one.
    Other,
}

/// Why the collector keeps an object, as far as its type tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptAlive {
    /// Only because something refers to it.
    ByReferences,
    /// It is a module: the interpreter's table of modules refers to it.
    AsModule,
    /// It is a frame: a thread refers to it while it runs. Its referrers tell whether it does.
    AsFrameWhileItRuns,
}

/// What the label of a reference says of the object that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelSays<'l> {
    /// It is a namespace.
    Namespace,
    /// Its name.
    Name(&'l str),
    /// Its name if the referrer is a namespace.
    Key(&'l str),
    /// Nothing that has the same meaning in another process.
    Nothing,
}

impl Runtime {
    /// The runtime of the dumps of a format, by the name in their manifests; `None` for a format that is not known.
    pub fn of_format(format: &str) -> Option<&'static Runtime> {
        RUNTIMES.iter().find(|(name, _)| *name == format).map(|(_, runtime)| runtime)
    }

    /// The runtimes of all known formats.
    pub fn all() -> impl Iterator<Item = &'static Runtime> {
        RUNTIMES.iter().map(|(_, runtime)| runtime)
    }

    /// The runtime of the dumps of a format. For an unknown format, one without any known types.
    pub fn of_any_format(format: &str) -> &'static Runtime {
        Self::of_format(format).unwrap_or(&NOTHING_KNOWN)
    }

    /// Whether the dumps of a version of the format name types with their module, as far as they have one.
    pub fn types_have_modules(&self, version: Option<u32>) -> bool {
        self.types_have_modules_from.is_some_and(|from| version.unwrap_or(0) >= from)
    }

    /// Whether the references of objects of this type keep nothing alive although the dump does not mark them as weak.
    pub fn holds_weakly(&self, type_name: &str) -> bool {
        self.weak_types.contains(&type_name)
    }

    /// Why an object of this type is kept alive if the dump does not say that it is a root.
    pub fn kept_alive(&self, type_name: &str) -> KeptAlive {
        let found = self.kept_alive.iter().find(|(name, _)| *name == type_name);
        found.map_or(KeptAlive::ByReferences, |(_, kept)| *kept)
    }

    /// Whether collections consist of objects of their own.
    pub fn has_collection_parts(&self) -> bool {
        !self.collection_parts.is_empty()
    }

    /// When objects of a type are parts of a collection; `None` if they never are.
    pub fn collection_parts(&self, type_name: &str) -> Option<&'static CollectionParts> {
        self.collection_parts.iter().find(|parts| parts.types.contains(&type_name))
    }

    /// How values are found by keys and indexes of collections; empty where the labels of references say them.
    pub fn entry_ways(&self) -> &'static [EntryWay] {
        self.entry_ways
    }

    /// Types of collections around another one, and by which labels they refer to it.
    pub fn entry_wrappers(&self) -> &'static [(&'static [&'static str], &'static [&'static str])] {
        self.entry_wrappers
    }

    /// The types with this role, in no order.
    pub fn types_with(&self, role: TypeRole) -> &'static [&'static str] {
        let found = self.roles.iter().find(|(other, _)| *other == role);
        found.map_or(&[], |(_, types)| types)
    }

    /// Whether the dumps leave it to the types of objects which of them are roots.
    pub fn finds_roots_by_type(&self) -> bool {
        !self.kept_alive.is_empty()
    }

    /// Whether a type has this role.
    pub fn has_role(&self, type_name: &str, role: TypeRole) -> bool {
        self.types_with(role).contains(&type_name)
    }

    /// Whether a module of this name is the program itself.
    pub fn is_main_module(&self, name: &str) -> bool {
        !name.is_empty() && name == self.main_module
    }

    /// Which properties of the objects of a type never change; for an unknown type only the name.
    pub fn nature(&self, type_name: &str) -> Nature {
        let found = self.natures.iter().find(|(_, types)| types.contains(&type_name));
        found.map_or(Nature::Other, |(nature, _)| *nature)
    }

    /// What a root is, in plain words, where its kind alone does not say why it lives.
    pub fn root_note(&self, type_name: &str, name: Option<&str>, kind: &str) -> Option<&'static str> {
        let found = self.root_notes.iter().find(|(root, _)| *root == (type_name, name.unwrap_or(""), kind));
        found.map(|(_, note)| *note)
    }

    /// The thread that keeps a root of this kind alive; `None` for other kinds. Formats whose roots are of threads name them
    /// like this.
    pub fn thread_of_root<'k>(&self, kind: &'k str) -> Option<ThreadOfRoot<'k>> {
        if !self.roots_have_frames {
            return Some(ThreadOfRoot { name: kind.strip_prefix("thread ")?, frame: None });
        }
        let kind = HELD_FOR_THREADS.iter().find_map(|before| kind.strip_prefix(before)).unwrap_or(kind);
        let rest = kind.strip_prefix("virtual ").unwrap_or(kind).strip_prefix("thread ")?;
        let is_frame = |text: &str| text == "frame" || (text.ends_with(')') && text.contains('('));
        Some(match rest.rsplit_once(", ") {
            Some((name, frame)) if is_frame(frame) => ThreadOfRoot { name, frame: Some(frame) },
            _ => ThreadOfRoot { name: rest, frame: None },
        })
    }

    /// Whether roots that are local variables say their frame, so that a root of a thread alone is the thread.
    pub fn roots_have_frames(&self) -> bool {
        self.roots_have_frames
    }

    /// Whether objects of a type are classes whose statics a program names by the class alone.
    pub fn is_class(&self, type_name: &str) -> bool {
        self.class_type == Some(type_name)
    }

    /// What the label of a reference says of the object that it leads to.
    pub fn label_says<'l>(&self, label: &'l str) -> LabelSays<'l> {
        (self.label_says)(label)
    }

    /// Whether the label of a reference says that a virtual machine keeps it for a class: constants of its code, as they are used for the
    /// first time.
    pub fn is_of_machine(&self, label: &str) -> bool {
        self.machine_labels.contains(&label)
    }

    /// By which labels an object refers to the value of a field; `None` where nothing is known of labels.
    pub fn field_labels(&self, field: &str) -> Option<FieldLabels> {
        (self.field_labels)(field)
    }

    /// How many items a container has room for, from its shallow size in bytes and the number of those that it has; `None` for
    /// other types, for a version that is not known, and for a size that no such container has.
    pub fn capacity(&self, version: &str, type_name: &str, size: u64, len: u64) -> Option<Capacity> {
        (self.capacity)(version, type_name, size, len)
    }
}

/// What a kind of root says of the thread that keeps the object alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadOfRoot<'k> {
    /// The name of the thread.
    pub name: &'k str,
    /// The frame that has the object, `com.shop.Cart.add(Cart.java:41)`; `None` where the thread itself has it, or where a frame
    /// is an object.
    pub frame: Option<&'k str>,
}

/// What may stand before the thread in a kind of root.
const HELD_FOR_THREADS: [&str; 4] = ["JNI local, ", "native stack, ", "thread block, ", "JNI monitor, "];

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Nothing is known.
static NOTHING_KNOWN: Runtime = UNKNOWN;

const UNKNOWN: Runtime = Runtime {
    name: "unknown",
    addresses_survive: false,
    unreferenced: Unreferenced::HeldOutside,
    types_have_modules_from: None,
    weak_types: &[],
    kept_alive: &[],
    roles: &[],
    main_module: "",
    natures: &[],
    root_notes: &[],
    has_labels: true,
    roots_have_frames: false,
    class_type: None,
    entry_ways: &[],
    entry_wrappers: &[],
    machine_labels: &[],
    collection_parts: &[],
    label_says: |_| LabelSays::Nothing,
    field_labels: |_| None,
    capacity: |_, _, _, _| None,
};

/// The name of the format of dumps that were put together from tables, of any runtime.
pub const TABLES: &str = "tables";

/// By name of the format.
static RUNTIMES: [(&str, Runtime); 4] = [
    (TABLES, Runtime { label_says: any_label, field_labels: dotted_field, ..UNKNOWN }),
    (
        "meliae",
        Runtime {
            types_have_modules_from: None,
            weak_types: &[
                "weakref",
                "weakproxy",
                "weakcallableproxy",
                // The names since CPython 3.12; a subclass has a name of its own.
                "ReferenceType",
                "ProxyType",
                "CallableProxyType",
                "KeyedRef",
                "WeakMethod",
            ],
            kept_alive: &[("module", KeptAlive::AsModule), ("frame", KeptAlive::AsFrameWhileItRuns)],
            has_labels: false,
            ..CPYTHON
        },
    ),
    ("capture", CPYTHON),
    ("hprof", JVM),
];

/// CPython, whose captures say themselves which references are weak and what is a root.
const CPYTHON: Runtime = Runtime {
    name: "CPython",
    addresses_survive: true,
    types_have_modules_from: Some(2),
    roles: &[
        (TypeRole::Text, &["str", "unicode", "bytes"]),
        (TypeRole::Buffer, &["bytearray"]),
        (TypeRole::Number, &["int", "long", "float", "complex"]),
        (TypeRole::Container, &["dict", "frozenset", "list", "set", "tuple"]),
        (TypeRole::Attributes, &["dict"]),
        (TypeRole::Module, &["module"]),
        (TypeRole::Frame, &["frame"]),
        (
            TypeRole::Internal,
            &[
                "collections.deque",
                "mappingproxy",
                "dictproxy",
                "dict_keys",
                "dict_values",
                "dict_items",
                "dict_keyiterator",
                "dict_valueiterator",
                "dict_itemiterator",
                "dictionary-keyiterator",
                "dictionary-valueiterator",
                "dictionary-itemiterator",
                "cell",
                "frame",
                "generator",
                "coroutine",
                "async_generator",
                "code",
                "method",
                "instancemethod",
                "method-wrapper",
                "builtin_function_or_method",
                "classmethod",
                "staticmethod",
                "property",
                "weakref",
                "weakref.ReferenceType",
                "functools.partial",
                "functools._lru_cache_wrapper",
            ],
        ),
    ],
    main_module: "__main__",
    natures: &[
        (Nature::Value, &["bytes", "int", "long", "float", "complex", "bool", "NoneType", "range", "xrange"]),
        (Nature::Text, &["str", "unicode"]),
        (Nature::Tuple, &["tuple", "frozenset"]),
        (Nature::Frame, &["frame"]),
    ],
    // The interpreter makes a function to run the statements of a file or of exec; only its frame, in C, refers to it.
    root_notes: &[(("function", "<module>", "unreferenced"), "top-level code that is running")],
    label_says: cpython_label,
    field_labels: dotted_field,
    capacity: cpython_capacity::capacity,
    ..UNKNOWN
};

/// `.name` and `["key"]`, as docs/formats/tables.md has them.
fn any_label(label: &str) -> LabelSays<'_> {
    let key = ["'", "\""].iter().find_map(|quote| {
        label.strip_prefix('[')?.strip_prefix(quote)?.strip_suffix(']')?.strip_suffix(quote)
    });
    match key.or(label.strip_prefix('.')) {
        Some(name) if is_name(name) => LabelSays::Name(name),
        _ => LabelSays::Nothing,
    }
}

/// Whether a text can be the name of a variable in most languages.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Names between double underscores that tell nothing of an object: almost every module, class or function has them. All
/// others are data of the program, as are `__defaults__` and `__warningregistry__`.
const CPYTHON_STRUCTURE: [&str; 25] = [
    "__base__",
    "__bases__",
    "__builtins__",
    "__cached__",
    "__class__",
    "__code__",
    "__dict__",
    "__doc__",
    "__file__",
    "__func__",
    "__globals__",
    "__loader__",
    "__module__",
    "__mro__",
    "__name__",
    "__objclass__",
    "__package__",
    "__path__",
    "__qualname__",
    "__self__",
    "__slots__",
    "__spec__",
    "__static_attributes__",
    "__type_params__",
    "__weakref__",
];

/// The labels of objects whose keys are names of the program.
const CPYTHON_NAMESPACES: [&str; 2] = [".__dict__", ".__globals__"];

/// `.name`, which is a slot or a value in the object itself; else an entry of `__dict__`, whose key CPython writes without escapes,
/// as it is an identifier.
fn dotted_field(field: &str) -> Option<FieldLabels> {
    Some(FieldLabels { own: format!(".{field}"), namespace: ".__dict__", key: format!("['{field}']") })
}

/// `.name`, `['key']` and the names of local variables, see docs/formats/capture.md.
fn cpython_label(label: &str) -> LabelSays<'_> {
    if CPYTHON_NAMESPACES.contains(&label) {
        return LabelSays::Namespace;
    }
    let key = label.strip_prefix("['").and_then(|label| label.strip_suffix("']"));
    let name = key.or(label.strip_prefix('.')).unwrap_or(label);
    let is_name = is_name(name) && !CPYTHON_STRUCTURE.contains(&name);
    match (is_name, key) {
        (false, _) => LabelSays::Nothing,
        (true, Some(_)) => LabelSays::Key(name),
        (true, None) => LabelSays::Name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_java_program_are_names() {
        for (label, says) in [
            (".CACHE", LabelSays::Name("CACHE")),
            (".lines", LabelSays::Name("lines")),
            (".this$0", LabelSays::Nothing),
            (".elementData", LabelSays::Nothing),
            (".<class>", LabelSays::Nothing),
            ("[3]", LabelSays::Nothing),
        ] {
            assert_eq!(of("hprof").label_says(label), says, "{label}");
        }
    }

    #[test]
    fn kinds_of_roots_name_threads_and_frames() {
        let says =
            |format: &str, kind| of(format).thread_of_root(kind).map(|thread| (thread.name, thread.frame));
        for (kind, expected) in [
            ("thread main", Some(("main", None))),
            ("thread a, b", Some(("a, b", None))),
            ("thread a, b, x.A.f(A.java:7)", Some(("a, b", Some("x.A.f(A.java:7)")))),
            ("virtual thread v, x.A.f(native)", Some(("v", Some("x.A.f(native)")))),
            ("JNI local, thread main", Some(("main", None))),
            ("JNI global", None),
        ] {
            assert_eq!(says("hprof", kind), expected, "{kind}");
        }
        assert_eq!(says("capture", "thread a, f(x)"), Some(("a, f(x)", None)));
        assert_eq!(says("capture", "frame"), None);
    }

    fn of(format: &str) -> &'static Runtime {
        Runtime::of_format(format).expect("a known format")
    }

    #[test]
    fn a_capture_says_itself_what_meliae_leaves_to_types() {
        let (meliae, capture) = (of("meliae"), of("capture"));
        assert!(meliae.holds_weakly("weakref") && !meliae.holds_weakly("dict"));
        assert!(!capture.holds_weakly("weakref"));
        assert_eq!(meliae.kept_alive("module"), KeptAlive::AsModule);
        assert_eq!(meliae.kept_alive("frame"), KeptAlive::AsFrameWhileItRuns);
        assert_eq!(meliae.kept_alive("dict"), KeptAlive::ByReferences);
        assert_eq!(capture.kept_alive("module"), KeptAlive::ByReferences);
        assert!(Runtime::of_format("phd").is_none());
    }

    #[test]
    fn newer_captures_name_types_with_their_module() {
        assert!(of("capture").types_have_modules(Some(2)));
        assert!(!of("capture").types_have_modules(Some(1)) && !of("capture").types_have_modules(None));
        assert!(!of("meliae").types_have_modules(Some(2)));
    }

    #[test]
    fn types_have_roles_and_natures() {
        let runtime = of("capture");
        assert!(
            runtime.has_role("dict", TypeRole::Container) && runtime.has_role("dict", TypeRole::Attributes)
        );
        assert!(
            !runtime.has_role("bytearray", TypeRole::Text) && runtime.has_role("bytearray", TypeRole::Buffer)
        );
        assert_eq!((runtime.nature("str"), runtime.nature("app.Order")), (Nature::Text, Nature::Other));
        for role in TypeRole::ALL {
            assert_eq!(TypeRole::of_name(role.name()), Some(role));
            assert!(!runtime.types_with(role).is_empty(), "{role:?}");
        }
    }

    #[test]
    fn names_are_told_from_data() {
        for (label, says) in [
            (".history", LabelSays::Name("history")),
            ("order", LabelSays::Name("order")),
            ("['HISTORY']", LabelSays::Key("HISTORY")),
            (".__dict__", LabelSays::Namespace),
            (".__class__", LabelSays::Nothing),
            (".__defaults__", LabelSays::Name("__defaults__")),
            (".__kwdefaults__", LabelSays::Name("__kwdefaults__")),
            ("['__warningregistry__']", LabelSays::Key("__warningregistry__")),
            ("['__wrapped__']", LabelSays::Key("__wrapped__")),
            ("['__doc__']", LabelSays::Nothing),
            (".__mro__", LabelSays::Nothing),
            ("['a b']", LabelSays::Nothing),
            ("['redacted:7:0123456789abcdef']", LabelSays::Nothing),
            ("[0]", LabelSays::Nothing),
            ("<key>", LabelSays::Nothing),
            ("()", LabelSays::Nothing),
            ("['']", LabelSays::Nothing),
            ("", LabelSays::Nothing),
            (".", LabelSays::Nothing),
            ("['é']", LabelSays::Key("é")),
        ] {
            assert_eq!(of("capture").label_says(label), says, "{label}");
        }
    }
}
