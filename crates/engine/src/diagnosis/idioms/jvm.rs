//! How Java programs come to hold what they no longer need.

use heaplake_model::short_type_name;

use super::{Idiom, ends_with, holder_name};
use crate::diagnosis::{candidate::How, case::Case, way::WayStep};

/// Collections of the JDK, and the tables and arrays in them, by their names without packages.
const MAPS: [&str; 12] = [
    "HashMap",
    "LinkedHashMap",
    "ConcurrentHashMap",
    "TreeMap",
    "Hashtable",
    "HashMap$Node[]",
    "Hashtable$Entry[]",
    "ConcurrentHashMap$Node[]",
    "HashSet",
    "LinkedHashSet",
    "TreeSet",
    "ConcurrentSkipListMap",
];
const LISTS: [&str; 6] =
    ["ArrayList", "LinkedList", "CopyOnWriteArrayList", "Vector", "Object[]", "CopyOnWriteArraySet"];
const CACHE_WORDS: [&str; 6] = ["cache", "memo", "lookup", "registry", "seen", "pool"];
const LISTENER_WORDS: [&str; 6] = ["listener", "observer", "subscriber", "handler", "callback", "hook"];

/// Whether the holder is of the JDK or an array: what the programs of other runtimes have has other names. What is proved has idioms
/// of its own.
fn is_java(case: &Case) -> bool {
    case.proof.is_none() && (case.holder_type.starts_with("java.") || case.holder_type.ends_with("[]"))
}

/// Whether an object on the way to the holder is of a type that contains one of these words.
fn way_contains(case: &Case, words: &[&str]) -> bool {
    is_java(case) && case.way.iter().any(|step| words.iter().any(|word| step.type_name.contains(word)))
}

fn is_static(case: &Case) -> bool {
    case.way.iter().any(|step| step.is_class)
}

pub(super) static IDIOMS: [Idiom; 15] = [
    Idiom {
        name: "finalizer_queue",
        fits: |case| (case.how == How::Unfinalized).then_some(0.6),
        advice: |case| {
            format!(
                "Nothing holds these `{}` but the queue of finalizers: one thread runs `finalize()` of all of them, and is slower than they \
                 come, or stuck in one (see the stack of the thread Finalizer). Close them in try-with-resources, or use a Cleaner \
                 instead of finalize().",
                case.type_name
            )
        },
    },
    Idiom {
        name: "direct_buffer",
        fits: |case| {
            const BUFFER: &str = "DirectByteBuffer";
            let is_direct = [&case.type_name, &case.kid_type].iter().any(|name| name.contains(BUFFER));
            (is_java(case) && (is_direct || case.below.contains(BUFFER))).then_some(0.4)
        },
        advice: |case| {
            format!(
                "{} keeps direct buffers: each of them has memory outside the heap, which comes on top of what is said here and is free \
                 only with the small object. Take them from a pool and give them back.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "timer_task",
        fits: |case| {
            let types =
                ["TimerQueue", "TimerThread", "TaskQueue", "ScheduledThreadPoolExecutor", "DelayedWorkQueue"];
            way_contains(case, &types).then_some(0.5)
        },
        advice: |case| {
            format!(
                "{} still has tasks that were scheduled: what they refer to lives until they are cancelled. Cancel them with what they are \
                 for, and let the executor remove cancelled ones (setRemoveOnCancelPolicy, Timer.purge).",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "thread_local_in_pool",
        fits: |case| way_contains(case, &["ThreadLocal"]).then_some(0.6),
        advice: |case| {
            format!(
                "`{}` is in a ThreadLocal of a thread that goes on, as those of a pool do. Call remove() in a finally block when the work \
                 is done.",
                case.type_name
            )
        },
    },
    Idiom {
        name: "class_loader",
        fits: |case| {
            let is_loaded =
                ends_with(&case.type_name, &["ClassLoader"]) || ends_with(&case.kid_type, &["ClassLoader"]);
            (is_java(case) && is_loaded).then_some(0.5)
        },
        advice: |case| {
            format!(
                "{} keeps class loaders, and with each of them all its classes and their statics: an application that was redeployed is \
                 still there. Look for what refers from outside into it: drivers, threads, thread locals, shutdown hooks, loggers.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "jdbc_statement",
        fits: |case| {
            let is_of_database = |name: &str| {
                let name = name.to_ascii_lowercase();
                name.contains("sql") || name.contains("jdbc")
            };
            let is_jdbc = |name: &String| {
                ends_with(name, &["Statement", "ResultSet"])
                    || (name.ends_with("Connection") && is_of_database(name))
            };
            (is_java(case) && [&case.type_name, &case.kid_type].into_iter().any(is_jdbc)).then_some(0.5)
        },
        advice: |case| {
            format!(
                "{} keeps every `{}` that was not closed. Open statements and result sets in try-with-resources.",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "cleared_references",
        fits: |case| {
            let are_references = ends_with(&case.kid_type, &["WeakReference", "PhantomReference"]);
            (is_java(case) && are_references).then_some(0.5)
        },
        advice: |case| {
            format!(
                "{} keeps the reference objects themselves (`{}`), which stay when what they refer to is gone. Give them a ReferenceQueue \
                 and remove what comes out of it, or use a WeakHashMap.",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "shutdown_hook",
        fits: |case| {
            let is_hooks = |step: &WayStep| {
                step.name.as_deref().is_some_and(|name| name.ends_with("ApplicationShutdownHooks"))
            };
            (is_java(case) && case.way.iter().any(is_hooks)).then_some(0.5)
        },
        advice: |case| {
            format!(
                "Each `{}` is a shutdown hook: it is kept until the JVM ends, with its class loader. Register one hook for all, or take it \
                 back with Runtime.removeShutdownHook when what it is for has ended.",
                case.type_name
            )
        },
    },
    Idiom {
        name: "object_stream",
        fits: |case| way_contains(case, &["ObjectOutputStream", "ObjectInputStream"]).then_some(0.5),
        advice: |case| {
            format!(
                "{} belongs to an object stream, which remembers every object that went through it. Call reset() now and then, or open a \
                 stream for each message.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "listeners",
        fits: |case| {
            let is_container = is_java(case) && (case.way_has(&LISTS) || case.way_has(&MAPS));
            (is_container && case.is_called(&LISTENER_WORDS)).then_some(0.4)
        },
        advice: |case| {
            format!(
                "{} gets a listener for each `{}` and never loses one. Remove it when its owner is closed, or keep it by a WeakReference.",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "interned_string",
        fits: |case| {
            // An entry of a map has the text below it.
            let is_text = case.kid_type == "String" || case.below.contains("String");
            (is_java(case) && is_text && case.is_called(&["intern"])).then_some(0.4)
        },
        advice: |case| {
            format!(
                "{} keeps one copy of every text for ever. Intern only texts of a small set, or use a cache with a bound.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "inner_class",
        fits: |case| {
            let outer = case.type_name.rsplit_once('$').map(|(outer, _)| outer.trim_end_matches('$'));
            let holds = outer.is_some_and(|outer| case.below.contains(short_type_name(outer)));
            let is_inner = case.fields.iter().any(|label| label.starts_with(".this$"));
            (is_java(case) && holds && is_inner).then_some(0.4)
        },
        advice: |case| {
            format!(
                "Each `{}` in {} refers to the object that made it (`this$0`), and so keeps all of it. Make the class static, or pass it \
                 what it needs.",
                case.type_name,
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "unbounded_map_cache",
        fits: |case| {
            let is_map = case.way_has(&MAPS);
            (is_java(case) && is_map && case.is_called(&CACHE_WORDS)).then_some(0.4)
        },
        advice: |case| {
            format!(
                "More is put into {} than is removed from it. Give it a bound (LinkedHashMap.removeEldestEntry, Caffeine with maximumSize or \
                 expireAfterAccess), or remove `{}` when it is no longer valid.",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "static_map",
        fits: |case| (is_java(case) && is_static(case) && case.way_has(&MAPS)).then_some(0.3),
        advice: |case| {
            format!(
                "A static field leads to {}: what is put into it lives as long as the class. Remove `{}` when it is done with, or keep the \
                 map in the object whose life it shares.",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "growing_list",
        fits: |case| (is_java(case) && is_static(case) && case.way_has(&LISTS)).then_some(0.2),
        advice: |case| {
            format!(
                "{} only grows, and something that lives as long as the program has it. Remove `{}` when it is done with, or give the list \
                 a bound.",
                holder_name(case),
                case.type_name
            )
        },
    },
];
