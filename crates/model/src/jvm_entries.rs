//! Where the collections of the JDK keep their entries: data, for the labels `["key"]` and `[3]` in path patterns.
//!
//! A way begins at the collection and ends at the value. Types of tables and nodes decide which collections it is for, so that
//! a class of the program that extends one of the JDK's is walked as well.

use crate::entries::{EntryStep, EntryWay};
use EntryStep::{Hop, Index, Keyed, Object, Repeated, Times};

const TABLES: &[&str] = &[
    "java.util.HashMap$Node[]",
    "java.util.Hashtable$Entry[]",
    "java.util.WeakHashMap$Entry[]",
    "java.util.concurrent.ConcurrentHashMap$Node[]",
];
/// Nodes of tables: entries. An entry may refer to the next one with the same hash.
const NODES: &[&str] = &[
    "java.util.HashMap$Node",
    "java.util.HashMap$TreeNode",
    "java.util.LinkedHashMap$Entry",
    "java.util.Hashtable$Entry",
    "java.util.WeakHashMap$Entry",
    "java.util.concurrent.ConcurrentHashMap$Node",
    "java.util.concurrent.ConcurrentHashMap$TreeNode",
];
const BINS: &[&str] = &["java.util.concurrent.ConcurrentHashMap$TreeBin"];
const TREE: &[&str] = &["java.util.TreeMap$Entry"];
const KEYS: &[&str] = &[".key", ".referent"];
const ARRAY: &[&str] = &["java.lang.Object[]"];
/// Sets that keep their members as the keys of a map.
const SETS: &[&str] = &[
    "java.util.HashSet",
    "java.util.LinkedHashSet",
    "java.util.TreeSet",
    "java.util.Collections$SetFromMap",
    "java.util.concurrent.ConcurrentHashMap$KeySetView",
];
const QUEUES: &[&str] = &[
    "java.util.concurrent.ConcurrentLinkedQueue$Node",
    "java.util.concurrent.ConcurrentLinkedDeque$Node",
    "java.util.concurrent.LinkedBlockingQueue$Node",
    "java.util.concurrent.LinkedBlockingDeque$Node",
];
const LIST: &[&str] = &["java.util.LinkedList$Node"];

/// Collections around another one.
pub(crate) const WRAPPERS: &[(&[&str], &[&str])] = &[
    (
        &[
            "java.util.Collections$UnmodifiableCollection",
            "java.util.Collections$UnmodifiableList",
            "java.util.Collections$UnmodifiableRandomAccessList",
            "java.util.Collections$UnmodifiableSet",
            "java.util.Collections$SynchronizedCollection",
            "java.util.Collections$SynchronizedList",
            "java.util.Collections$SynchronizedRandomAccessList",
            "java.util.Collections$SynchronizedSet",
        ],
        &[".c"],
    ),
    (&["java.util.Collections$UnmodifiableMap", "java.util.Collections$SynchronizedMap"], &[".m"]),
    (&["java.util.concurrent.CopyOnWriteArraySet"], &[".al"]),
    (&["java.util.Properties"], &[".map"]),
];

pub(crate) const WAYS: &[EntryWay] = &[
    // Maps with a table of nodes; a bin is a tree where many keys have one hash.
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[
            Hop(&[".table"]),
            Object(TABLES),
            Hop(&[]),
            Repeated(&[Object(BINS), Hop(&[".first"])]),
            Repeated(&[Object(NODES), Hop(&[".next"])]),
            Object(NODES),
            Keyed(KEYS),
            Hop(&[".val", ".value"]),
        ],
    },
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[
            Hop(&[".root"]),
            Repeated(&[Object(TREE), Hop(&[".left", ".right"])]),
            Object(TREE),
            Keyed(KEYS),
            Hop(&[".value"]),
        ],
    },
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[Object(&["java.util.ImmutableCollections$Map1"]), Keyed(&[".k0"]), Hop(&[".v0"])],
    },
    // Keys and values take turns.
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(&["java.util.ImmutableCollections$MapN", "java.util.IdentityHashMap"]),
            Hop(&[".table"]),
            Object(ARRAY),
            Hop(&["[*1]", "[*3]", "[*5]", "[*7]", "[*9]"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[Object(&["java.util.EnumMap"]), Hop(&[".vals"]), Object(ARRAY), Hop(&["[*]"])],
    },
    // Sets.
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(SETS),
            Hop(&[".map", ".m"]),
            Hop(&[".table"]),
            Object(TABLES),
            Hop(&[]),
            Repeated(&[Object(BINS), Hop(&[".first"])]),
            Repeated(&[Object(NODES), Hop(&[".next"])]),
            Object(NODES),
            Hop(&[".key"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(SETS),
            Hop(&[".map", ".m"]),
            Hop(&[".root"]),
            Repeated(&[Object(TREE), Hop(&[".left", ".right"])]),
            Object(TREE),
            Hop(&[".key"]),
        ],
    },
    // Lists whose array is in the order of the list.
    EntryWay { keys: false, indexes: true, steps: &[Hop(&[".elementData"]), Object(ARRAY), Index] },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[Object(&["java.util.Arrays$ArrayList"]), Hop(&[".a"]), Index],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Object(&["java.util.ImmutableCollections$ListN"]),
            Hop(&[".elements"]),
            Object(ARRAY),
            Index,
        ],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Object(&["java.util.concurrent.CopyOnWriteArrayList"]),
            Hop(&[".array"]),
            Object(ARRAY),
            Index,
        ],
    },
    // Others, whose arrays are in an order of their own.
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(&[
                "java.util.ArrayDeque",
                "java.util.ImmutableCollections$SetN",
                "java.util.PriorityQueue",
                "java.util.concurrent.PriorityBlockingQueue",
                "java.util.concurrent.ArrayBlockingQueue",
            ]),
            Hop(&[".elements", ".queue", ".items"]),
            Object(ARRAY),
            Hop(&["[*]"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(&["java.util.ImmutableCollections$List12", "java.util.ImmutableCollections$Set12"]),
            Hop(&[".e0", ".e1"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[Hop(&[".first"]), Times(&[Object(LIST), Hop(&[".next"])]), Object(LIST), Hop(&[".item"])],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Hop(&[".head", ".first"]),
            Repeated(&[Object(QUEUES), Hop(&[".next"])]),
            Object(QUEUES),
            Hop(&[".item"]),
        ],
    },
];
