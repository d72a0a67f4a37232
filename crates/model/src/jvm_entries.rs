//! Where the collections of the JDK keep their entries: data, for the labels `["key"]` and `[3]` in path patterns.
//!
//! A way begins at the collection and ends at the value. Types of tables and nodes decide which collections it is for, so that
//! a class of the program that extends one of the JDK's is walked as well.

use crate::entries::{ChainRule, CollectionParts, EntryStep, EntryWay, PartRule, SlotRule};
use EntryStep::{Field, Hop, Index, Keyed, Nth, Object, Part, Repeated, Slot, Times};

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
const ALTERNATING: &[&str] = &["java.util.ImmutableCollections$MapN", "java.util.IdentityHashMap"];
const ENUM_MAP: &[&str] = &["java.util.EnumMap"];
const SKIP_MAP: &[&str] = &["java.util.concurrent.ConcurrentSkipListMap"];
const SKIP_INDEX: &[&str] = &["java.util.concurrent.ConcurrentSkipListMap$Index"];
const SKIP_NODE: &[&str] = &["java.util.concurrent.ConcurrentSkipListMap$Node"];
const LIST_12: &[&str] = &["java.util.ImmutableCollections$List12"];
const DEQUE: &[&str] = &["java.util.ArrayDeque"];
/// Sets that keep their members as the keys of a map.
const SETS: &[&str] = &[
    "java.util.HashSet",
    "java.util.LinkedHashSet",
    "java.util.TreeSet",
    "java.util.Collections$SetFromMap",
    "java.util.concurrent.ConcurrentHashMap$KeySetView",
];
/// The table of the variables of a thread, and its entries.
const THREAD_LOCALS: &[&str] =
    &["java.lang.ThreadLocal$ThreadLocalMap$Entry[]", "java.lang.ThreadLocal$ThreadLocalMap$Entry"];
const QUEUES: &[&str] = &[
    "java.util.concurrent.ConcurrentLinkedQueue$Node",
    "java.util.concurrent.ConcurrentLinkedDeque$Node",
    "java.util.concurrent.LinkedBlockingQueue$Node",
    "java.util.concurrent.LinkedBlockingDeque$Node",
];
/// Those whose first field is exact: a `ConcurrentLinkedDeque` may begin before it.
const ORDERED_QUEUES: &[&str] = &[
    "java.util.concurrent.ConcurrentLinkedQueue$Node",
    "java.util.concurrent.LinkedBlockingQueue$Node",
    "java.util.concurrent.LinkedBlockingDeque$Node",
];
const LIST: &[&str] = &["java.util.LinkedList$Node"];
/// Nodes of a linked list become states of an automaton: those of larger indexes are looked for beforehand.
const MAX_LINKS: u32 = 100;

/// Objects that refer to others of the same map.
const MAP_PARTS: &[&str] = &[
    "java.util.HashMap",
    "java.util.LinkedHashMap",
    "java.util.Hashtable",
    "java.util.WeakHashMap",
    "java.util.concurrent.ConcurrentHashMap",
    "java.util.HashMap$Node[]",
    "java.util.HashMap$Node",
    "java.util.HashMap$TreeNode",
    "java.util.LinkedHashMap$Entry",
    "java.util.Hashtable$Entry[]",
    "java.util.Hashtable$Entry",
    "java.util.WeakHashMap$Entry[]",
    "java.util.WeakHashMap$Entry",
    "java.util.concurrent.ConcurrentHashMap$Node[]",
    "java.util.concurrent.ConcurrentHashMap$Node",
    "java.util.concurrent.ConcurrentHashMap$TreeBin",
    "java.util.concurrent.ConcurrentHashMap$TreeNode",
];

/// What collections consist of.
pub(crate) const PARTS: &[CollectionParts] = &[
    CollectionParts { types: TABLES, owners: &[], in_subclasses: true },
    CollectionParts { types: BINS, owners: &[], in_subclasses: true },
    CollectionParts { types: NODES, owners: MAP_PARTS, in_subclasses: true },
    CollectionParts {
        types: TREE,
        owners: &["java.util.TreeMap", "java.util.TreeMap$Entry"],
        in_subclasses: true,
    },
    CollectionParts {
        types: LIST,
        owners: &["java.util.LinkedList", "java.util.LinkedList$Node"],
        in_subclasses: true,
    },
    CollectionParts { types: QUEUES, owners: &[], in_subclasses: true },
    CollectionParts { types: SKIP_INDEX, owners: &[], in_subclasses: true },
    CollectionParts { types: SKIP_NODE, owners: &[], in_subclasses: true },
    CollectionParts { types: THREAD_LOCALS, owners: &[], in_subclasses: false },
    CollectionParts {
        types: ARRAY,
        owners: &[
            "java.util.ArrayDeque",
            "java.util.ArrayList",
            "java.util.Arrays$ArrayList",
            "java.util.EnumMap",
            "java.util.IdentityHashMap",
            "java.util.ImmutableCollections$ListN",
            "java.util.ImmutableCollections$MapN",
            "java.util.ImmutableCollections$SetN",
            "java.util.PriorityQueue",
            "java.util.Stack",
            "java.util.Vector",
            "java.util.concurrent.ArrayBlockingQueue",
            "java.util.concurrent.CopyOnWriteArrayList",
            "java.util.concurrent.PriorityBlockingQueue",
        ],
        in_subclasses: false,
    },
    // The maps of sets.
    CollectionParts {
        types: &[
            "java.util.HashMap",
            "java.util.IdentityHashMap",
            "java.util.LinkedHashMap",
            "java.util.TreeMap",
            "java.util.concurrent.ConcurrentHashMap",
            "java.util.concurrent.ConcurrentSkipListMap",
        ],
        owners: &[
            "java.util.Collections$SetFromMap",
            "java.util.HashSet",
            "java.util.LinkedHashSet",
            "java.util.TreeSet",
            "java.util.concurrent.ConcurrentHashMap$KeySetView",
            "java.util.concurrent.ConcurrentSkipListSet",
        ],
        in_subclasses: false,
    },
];

/// Collections around another one.
pub(crate) const WRAPPERS: &[(&[&str], &[&str])] = &[
    (
        &[
            "java.util.Collections$UnmodifiableCollection",
            "java.util.Collections$UnmodifiableList",
            "java.util.Collections$UnmodifiableRandomAccessList",
            "java.util.Collections$UnmodifiableSet",
            "java.util.Collections$UnmodifiableSortedSet",
            "java.util.Collections$UnmodifiableNavigableSet",
            "java.util.Collections$SynchronizedCollection",
            "java.util.Collections$SynchronizedList",
            "java.util.Collections$SynchronizedRandomAccessList",
            "java.util.Collections$SynchronizedSet",
            "java.util.Collections$SynchronizedSortedSet",
            "java.util.Collections$SynchronizedNavigableSet",
            "java.util.Collections$CheckedCollection",
            "java.util.Collections$CheckedList",
            "java.util.Collections$CheckedRandomAccessList",
            "java.util.Collections$CheckedSet",
        ],
        &[".c"],
    ),
    (
        &[
            "java.util.Collections$UnmodifiableMap",
            "java.util.Collections$UnmodifiableSortedMap",
            "java.util.Collections$UnmodifiableNavigableMap",
            "java.util.Collections$SynchronizedMap",
            "java.util.Collections$SynchronizedSortedMap",
            "java.util.Collections$SynchronizedNavigableMap",
            "java.util.Collections$CheckedMap",
        ],
        &[".m"],
    ),
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
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[Object(&["java.util.Collections$SingletonMap"]), Keyed(&[".k"]), Hop(&[".v"])],
    },
    // Keys and values take turns.
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(ALTERNATING),
            Hop(&[".table"]),
            Object(ARRAY),
            Hop(&["[*1]", "[*3]", "[*5]", "[*7]", "[*9]"]),
        ],
    },
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[
            Object(ALTERNATING),
            Hop(&[".table"]),
            Object(ARRAY),
            Slot(SlotRule::AfterKey { array: "table" }),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[Object(ENUM_MAP), Hop(&[".vals"]), Object(ARRAY), Hop(&["[*]"])],
    },
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[
            Object(ENUM_MAP),
            Hop(&[".vals"]),
            Object(ARRAY),
            Slot(SlotRule::AtKeyOf { array: "vals", keys: "keyUniverse" }),
        ],
    },
    // The list at the bottom of a skip list; its first node is empty.
    EntryWay {
        keys: true,
        indexes: false,
        steps: &[
            Object(SKIP_MAP),
            Hop(&[".head"]),
            Object(SKIP_INDEX),
            Hop(&[".node"]),
            Repeated(&[Object(SKIP_NODE), Hop(&[".next"])]),
            Object(SKIP_NODE),
            Keyed(KEYS),
            Hop(&[".val"]),
        ],
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
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(&["java.util.concurrent.ConcurrentSkipListSet"]),
            Hop(&[".m"]),
            Object(SKIP_MAP),
            Hop(&[".head"]),
            Object(SKIP_INDEX),
            Hop(&[".node"]),
            Repeated(&[Object(SKIP_NODE), Hop(&[".next"])]),
            Object(SKIP_NODE),
            Hop(&[".key"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(SETS),
            Hop(&[".m"]),
            Object(&["java.util.IdentityHashMap"]),
            Hop(&[".table"]),
            Object(ARRAY),
            Hop(&["[*0]", "[*2]", "[*4]", "[*6]", "[*8]"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[Object(&["java.util.Collections$SingletonSet"]), Hop(&[".element"])],
    },
    // Lists of fixed fields.
    EntryWay { keys: false, indexes: true, steps: &[Object(LIST_12), Field(&[".e0", ".e1"])] },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[Object(&["java.util.Collections$SingletonList"]), Field(&[".element"])],
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
    // From its first element on, round the end of the array.
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Object(DEQUE),
            Hop(&[".elements"]),
            Object(ARRAY),
            Slot(SlotRule::AfterFirst { array: "elements", first: "head" }),
        ],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Object(&["java.util.concurrent.ArrayBlockingQueue"]),
            Hop(&[".items"]),
            Object(ARRAY),
            Slot(SlotRule::AfterFirst { array: "items", first: "takeIndex" }),
        ],
    },
    // In the order of its iterator, which is that of the array: a heap.
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Object(&["java.util.PriorityQueue", "java.util.concurrent.PriorityBlockingQueue"]),
            Hop(&[".queue"]),
            Object(ARRAY),
            Index,
        ],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[Part(PartRule {
            types: &[
                "java.util.AbstractList$RandomAccessSubList",
                "java.util.AbstractList$SubList",
                "java.util.ArrayList$SubList",
                "java.util.ImmutableCollections$SubList",
            ],
            list: ".root",
            arrays: &[".elementData", ".elements", ".a"],
            offset: "offset",
            size: "size",
        })],
    },
    // Others, whose arrays are in an order of their own.
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Object(&[
                "java.util.ArrayDeque",
                "java.util.ImmutableCollections$SetN",
                "java.util.concurrent.ArrayBlockingQueue",
            ]),
            Hop(&[".elements", ".items"]),
            Object(ARRAY),
            Hop(&["[*]"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[Object(&["java.util.ImmutableCollections$Set12"]), Hop(&[".e0", ".e1"])],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Hop(&[".first"]),
            Times { steps: &[Object(LIST), Hop(&[".next"])], max: MAX_LINKS },
            Object(LIST),
            Hop(&[".item"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Hop(&[".first"]),
            Repeated(&[Object(LIST), Hop(&[".next"])]),
            Nth(ChainRule {
                nodes: LIST,
                first: &["first"],
                next: "next",
                item: "item",
                counts_empty: true,
                from: MAX_LINKS + 1,
            }),
            Hop(&[".item"]),
        ],
    },
    EntryWay {
        keys: false,
        indexes: true,
        steps: &[
            Hop(&[".head", ".first"]),
            Repeated(&[Object(ORDERED_QUEUES), Hop(&[".next"])]),
            Nth(ChainRule {
                nodes: ORDERED_QUEUES,
                first: &["head", "first"],
                next: "next",
                item: "item",
                counts_empty: false,
                from: 0,
            }),
            Hop(&[".item"]),
        ],
    },
    // A deque whose first node is before the head has it in `prev`.
    EntryWay {
        keys: false,
        indexes: false,
        steps: &[
            Hop(&[".head", ".first"]),
            Repeated(&[Object(QUEUES), Hop(&[".next", ".prev"])]),
            Object(QUEUES),
            Hop(&[".item"]),
        ],
    },
];
