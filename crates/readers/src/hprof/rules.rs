//! What is known of classes of the JDK: which fields say the value, name, length or state of an object, what kind of reference a
//! `Reference` is, and which loaders stay.

use heaplake_model::EdgeKind;

use super::dialect::BasicType;

/// Where the value of an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueRule {
    /// It is a text: where its array is, and if there are, how it is encoded, and which part of the array it is.
    Text { array: u32, coder: Option<u32>, part: Option<(u32, u32)> },
    /// A number.
    Number { at: u32, basic: BasicType },
    /// The value of a string.
    String { at: u32 },
}

/// Where the length of an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LenRule {
    Number {
        at: u32,
        basic: BasicType,
    },
    /// The length of another object.
    Of {
        at: u32,
    },
}

/// Where the state of a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateRule {
    /// In this field, a number of 32 bits.
    Number { at: u32 },
    /// In the object that this field refers to.
    Of { at: u32 },
}

/// What is known of a field of the JDK.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Value,
    Coder,
    PartStart,
    PartLen,
    StringValue,
    Name,
    Len,
    LenOf,
    State,
    StateOf,
}

/// Fields of the JDK that say the value, name or length of an object.
pub(super) const FIELDS: &[(&str, &str, Role)] = &[
    ("java.lang.String", "value", Role::Value),
    ("java.lang.String", "coder", Role::Coder),
    // Before Java 7.
    ("java.lang.String", "offset", Role::PartStart),
    ("java.lang.String", "count", Role::PartLen),
    ("java.lang.Boolean", "value", Role::Value),
    ("java.lang.Byte", "value", Role::Value),
    ("java.lang.Character", "value", Role::Value),
    ("java.lang.Short", "value", Role::Value),
    ("java.lang.Integer", "value", Role::Value),
    ("java.lang.Long", "value", Role::Value),
    ("java.lang.Float", "value", Role::Value),
    ("java.lang.Double", "value", Role::Value),
    ("java.util.concurrent.atomic.AtomicBoolean", "value", Role::Value),
    ("java.util.concurrent.atomic.AtomicInteger", "value", Role::Value),
    ("java.util.concurrent.atomic.AtomicLong", "value", Role::Value),
    ("java.lang.Enum", "name", Role::StringValue),
    ("java.lang.Class", "name", Role::Name),
    ("java.lang.ClassLoader", "name", Role::Name),
    ("java.lang.Module", "name", Role::Name),
    ("java.lang.Thread", "name", Role::Name),
    ("java.lang.Thread", "threadStatus", Role::State),
    // Since JDK 19.
    ("java.lang.Thread", "holder", Role::StateOf),
    ("java.lang.Thread$FieldHolder", "threadStatus", Role::State),
    ("java.lang.ThreadGroup", "name", Role::Name),
    ("java.util.ArrayList", "size", Role::Len),
    ("java.util.LinkedList", "size", Role::Len),
    ("java.util.Vector", "elementCount", Role::Len),
    ("java.util.HashMap", "size", Role::Len),
    ("java.util.Hashtable", "count", Role::Len),
    ("java.util.IdentityHashMap", "size", Role::Len),
    ("java.util.TreeMap", "size", Role::Len),
    ("java.util.WeakHashMap", "size", Role::Len),
    ("java.util.EnumMap", "size", Role::Len),
    ("java.util.PriorityQueue", "size", Role::Len),
    ("java.util.HashSet", "map", Role::LenOf),
    ("java.util.TreeSet", "m", Role::LenOf),
    ("java.util.Arrays$ArrayList", "a", Role::LenOf),
    ("java.util.ImmutableCollections$ListN", "elements", Role::LenOf),
    ("java.util.ImmutableCollections$MapN", "size", Role::Len),
    ("java.util.ImmutableCollections$SetN", "size", Role::Len),
    ("java.util.Collections$UnmodifiableCollection", "c", Role::LenOf),
    ("java.util.Collections$UnmodifiableMap", "m", Role::LenOf),
    ("java.util.Collections$SynchronizedCollection", "c", Role::LenOf),
    ("java.util.Collections$SynchronizedMap", "m", Role::LenOf),
    ("java.util.Collections$SetFromMap", "m", Role::LenOf),
    // Exact while no two threads have added at the same instant.
    ("java.util.concurrent.ConcurrentHashMap", "baseCount", Role::Len),
    ("java.util.concurrent.ConcurrentHashMap$KeySetView", "map", Role::LenOf),
    ("java.util.concurrent.CopyOnWriteArrayList", "array", Role::LenOf),
    ("java.util.concurrent.CopyOnWriteArraySet", "al", Role::LenOf),
    ("java.util.concurrent.ArrayBlockingQueue", "count", Role::Len),
    ("java.util.concurrent.LinkedBlockingQueue", "count", Role::LenOf),
    ("java.util.concurrent.LinkedBlockingDeque", "count", Role::Len),
    ("java.util.concurrent.PriorityBlockingQueue", "size", Role::Len),
    ("java.util.concurrent.atomic.AtomicInteger", "value", Role::Len),
    ("java.lang.AbstractStringBuilder", "count", Role::Len),
];

/// Classes whose `referent` is not a strong reference; subclasses are like them.
pub(super) const REFERENCES: &[(&str, EdgeKind)] = &[
    ("java.lang.ref.SoftReference", EdgeKind::Soft),
    ("java.lang.ref.WeakReference", EdgeKind::Weak),
    ("java.lang.ref.PhantomReference", EdgeKind::Phantom),
    ("java.lang.ref.FinalReference", EdgeKind::Final),
    ("java.lang.ref.Reference", EdgeKind::Weak),
];
/// What `java.lang.Class.reflectionData` refers to softly: the members of the class that were asked for.
pub(super) const REFLECTION_DATA: &str = "java.lang.Class$ReflectionData";
pub(super) const SOFT_REFERENCE: &str = "java.lang.ref.SoftReference";
/// Its arrays of members that the class itself declares; others have inherited ones as well.
pub(super) const OWN_MEMBERS: &[&str] = &[
    ".declaredConstructors",
    ".publicConstructors",
    ".declaredMethods",
    ".declaredPublicMethods",
    ".declaredFields",
    ".declaredPublicFields",
];
/// Classes of members. The field `clazz` refers to the class that declares it.
pub(super) const MEMBERS: &[&str] =
    &["java.lang.reflect.Constructor", "java.lang.reflect.Method", "java.lang.reflect.Field"];
pub(super) const DECLARED_BY: &str = ".clazz";
/// What `java.lang.Class.genericInfo` refers to: the type parameters of the class.
pub(super) const CLASS_REPOSITORY: &str = "sun.reflect.generics.repository.ClassRepository";
/// The object in its field `factory`, whose field `decl` refers to the class.
pub(super) const GENERICS_FACTORY: &str = "sun.reflect.generics.factory.CoreReflectionFactory";
pub(super) const REFERENCE: &str = "java.lang.ref.Reference";
pub(super) const REFERENT: &str = "referent";

/// Class loaders that the VM keeps for as long as it runs: what they loaded is never unloaded.
pub(super) const LASTING_LOADERS: &[&str] = &[
    "jdk.internal.loader.ClassLoaders$BootClassLoader",
    "jdk.internal.loader.ClassLoaders$PlatformClassLoader",
    "jdk.internal.loader.ClassLoaders$AppClassLoader",
    "sun.misc.Launcher$ExtClassLoader",
    "sun.misc.Launcher$AppClassLoader",
    "java.lang.BootClassLoader",
    "dalvik.system.PathClassLoader",
];
