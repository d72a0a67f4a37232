//! What is known of programs that run in the JVM.

use super::{LabelSays, Nature, Runtime, TypeRole, Unreferenced, dotted_field};
use crate::jvm_entries;

/// The JVM, whose dumps say themselves which references are weak and what is a root. Its collectors move objects.
pub(super) const JVM: Runtime = Runtime {
    name: "JVM",
    addresses_survive: false,
    unreferenced: Unreferenced::Garbage { finalizers: &["java.lang.ref.Finalizer"] },
    types_have_modules_from: Some(0),
    weak_types: &[],
    kept_alive: &[],
    root_notes: &[],
    field_labels: dotted_field,
    capacity: |_, _, _, _| None,
    roles: &[
        (TypeRole::Text, &["java.lang.String"]),
        (TypeRole::Buffer, &["byte[]", "char[]", "java.lang.StringBuilder", "java.lang.StringBuffer"]),
        (
            TypeRole::Number,
            &[
                "java.lang.Byte",
                "java.lang.Short",
                "java.lang.Integer",
                "java.lang.Long",
                "java.lang.Float",
                "java.lang.Double",
                "java.math.BigInteger",
                "java.math.BigDecimal",
            ],
        ),
        (TypeRole::Container, JVM_CONTAINERS),
        // What groups of objects are named by: a class by its statics, a loader by its classes.
        (
            TypeRole::Module,
            &[
                "java.lang.Class",
                "jdk.internal.loader.ClassLoaders$AppClassLoader",
                "jdk.internal.loader.ClassLoaders$PlatformClassLoader",
                "java.net.URLClassLoader",
            ],
        ),
        (
            TypeRole::Internal,
            &[
                "java.util.HashMap$Node",
                "java.util.HashMap$TreeNode",
                "java.util.HashMap$Node[]",
                "java.util.LinkedHashMap$Entry",
                "java.util.TreeMap$Entry",
                "java.util.LinkedList$Node",
                "java.util.Hashtable$Entry",
                "java.util.Hashtable$Entry[]",
                "java.util.WeakHashMap$Entry",
                "java.util.WeakHashMap$Entry[]",
                "java.util.concurrent.ConcurrentHashMap$Node",
                "java.util.concurrent.ConcurrentHashMap$Node[]",
                "java.util.concurrent.ConcurrentHashMap$TreeNode",
                "java.util.concurrent.ConcurrentHashMap$TreeBin",
                "java.util.concurrent.ConcurrentLinkedQueue$Node",
                "java.util.concurrent.LinkedBlockingQueue$Node",
                "java.lang.ThreadLocal$ThreadLocalMap",
                "java.lang.ThreadLocal$ThreadLocalMap$Entry",
                "java.lang.ThreadLocal$ThreadLocalMap$Entry[]",
                "java.lang.invoke.MemberName",
                "java.lang.invoke.MethodType",
                "java.lang.invoke.LambdaForm",
                "java.lang.invoke.LambdaForm$Name",
                "java.lang.invoke.ResolvedMethodName",
                "java.lang.Class$ReflectionData",
                "java.lang.reflect.Method",
                "java.lang.reflect.Field",
                "java.lang.reflect.Constructor",
            ],
        ),
    ],
    main_module: "",
    natures: &[(
        Nature::Value,
        &[
            "java.lang.String",
            "java.lang.Boolean",
            "java.lang.Byte",
            "java.lang.Character",
            "java.lang.Short",
            "java.lang.Integer",
            "java.lang.Long",
            "java.lang.Float",
            "java.lang.Double",
        ],
    )],
    has_labels: true,
    roots_have_frames: true,
    class_type: Some("java.lang.Class"),
    entry_ways: jvm_entries::WAYS,
    entry_wrappers: jvm_entries::WRAPPERS,
    machine_labels: &[".<resolved_references>", ".<reserved>", ".<constant>"],
    collection_parts: jvm_entries::PARTS,
    label_says: jvm_label,
};

/// Containers of the JDK: the collections, and the arrays and tables that they consist of.
const JVM_CONTAINERS: &[&str] = &[
    "java.lang.Object[]",
    "java.util.ArrayDeque",
    "java.util.ArrayList",
    "java.util.Arrays$ArrayList",
    "java.util.Collections$SetFromMap",
    "java.util.Collections$SynchronizedMap",
    "java.util.Collections$UnmodifiableCollection",
    "java.util.Collections$UnmodifiableMap",
    "java.util.EnumMap",
    "java.util.HashMap",
    "java.util.HashMap$Node",
    "java.util.HashMap$Node[]",
    "java.util.HashMap$TreeNode",
    "java.util.HashSet",
    "java.util.Hashtable",
    "java.util.Hashtable$Entry",
    "java.util.Hashtable$Entry[]",
    "java.util.IdentityHashMap",
    "java.util.ImmutableCollections$List12",
    "java.util.ImmutableCollections$ListN",
    "java.util.ImmutableCollections$Map1",
    "java.util.ImmutableCollections$MapN",
    "java.util.ImmutableCollections$Set12",
    "java.util.ImmutableCollections$SetN",
    "java.util.LinkedHashMap",
    "java.util.LinkedHashMap$Entry",
    "java.util.LinkedHashSet",
    "java.util.LinkedList",
    "java.util.LinkedList$Node",
    "java.util.PriorityQueue",
    "java.util.TreeMap",
    "java.util.TreeMap$Entry",
    "java.util.TreeSet",
    "java.util.Vector",
    "java.util.WeakHashMap",
    "java.util.WeakHashMap$Entry",
    "java.util.WeakHashMap$Entry[]",
    "java.util.concurrent.ConcurrentHashMap",
    "java.util.concurrent.ConcurrentHashMap$Node",
    "java.util.concurrent.ConcurrentHashMap$Node[]",
    "java.util.concurrent.ConcurrentHashMap$TreeBin",
    "java.util.concurrent.ConcurrentHashMap$TreeNode",
    "java.util.concurrent.ConcurrentLinkedQueue",
    "java.util.concurrent.ConcurrentLinkedQueue$Node",
    "java.util.concurrent.CopyOnWriteArrayList",
    "java.util.concurrent.LinkedBlockingQueue",
    "java.util.concurrent.LinkedBlockingQueue$Node",
];

/// Fields of containers: they say nothing of what is in them.
const JVM_CONTAINER_FIELDS: &[&str] = &[
    "array",
    "c",
    "elementData",
    "elements",
    "first",
    "head",
    "item",
    "key",
    "last",
    "left",
    "list",
    "m",
    "map",
    "next",
    "parent",
    "prev",
    "queue",
    "referent",
    "right",
    "root",
    "table",
    "tail",
    "val",
    "value",
];

/// `.name` of a field or static, see docs/formats/hprof.md.
fn jvm_label(label: &str) -> LabelSays<'_> {
    let Some(name) = label.strip_prefix('.') else { return LabelSays::Nothing };
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        // The outer object of an inner class, and variables of a lambda or an inner class.
        && !name.starts_with("this$")
        && !name.starts_with("arg$")
        && !JVM_CONTAINER_FIELDS.contains(&name);
    if is_name { LabelSays::Name(name) } else { LabelSays::Nothing }
}
