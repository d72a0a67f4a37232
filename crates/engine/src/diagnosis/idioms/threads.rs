//! Threads and what belongs to them: threads that never end, their variables, contexts, handlers of logs.

use super::{Case, Idiom, ends_with, holder_name};

/// Whether a case is about threads that run, which keep themselves.
pub(in crate::diagnosis) fn keeps_itself(case: &Case) -> bool {
    let name = case.type_name.as_str();
    let is_thread = ends_with(name, &["Thread"])
        || ["Timer", "threading.Timer", "java.util.Timer"].contains(&name)
        || case.below.contains("Thread")
        || case.below.contains("Timer")
        || case.is_called(&["_active", "_dangling", "_limbo"]);
    is_thread && case.are_running != Some(false)
}

pub(super) static IDIOMS: [Idiom; 4] = [
    Idiom {
        name: "endless_thread",
        fits: |case| keeps_itself(case).then_some(0.6),
        advice: |case| {
            if case.below.contains("ThreadPoolExecutor$Worker") {
                return format!(
                    "Threads (`{}`) of executors are started and never end: each executor that is made keeps its own. Use one for all, or \
                     call shutdown() on each when it is no longer needed.",
                    case.type_name
                );
            }
            format!(
                "Threads (`{}`) are started and never end; each keeps its target and arguments. See what they wait for, and \
                 let them end, or use a pool.",
                case.type_name
            )
        },
    },
    Idiom {
        name: "thread_local",
        fits: |case| {
            let is_of_thread = case.way.first().is_some_and(|first| {
                let kind = first.root_kind.as_deref().unwrap_or("");
                first.type_name == "frame" && kind.starts_with("thread ") && kind != "thread MainThread"
            });
            (is_of_thread || case.way_has(&["_localimpl", "local", "_local", "_thread._local"]))
                .then_some(0.5)
        },
        advice: |case| {
            format!(
                "{} belongs to a thread that goes on; what a request leaves there stays. Clear it when the request ends.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "context_var",
        fits: |case| {
            let kinds = ["Context", "ContextVar", "hamt", "hamt_bitmap_node", "hamt_array_node", "Token"];
            // A callback that is kept for later is kept with its context.
            let is_callback = ["function", "method", "partial"].iter().any(|kind| case.below.contains(*kind));
            let is_below = !is_callback && kinds.iter().any(|kind| case.below.contains(*kind));
            let is_one = is_below || case.way_has(&kinds) || kinds.contains(&case.type_name.as_str());
            (is_one && !(is_callback && case.kid_type == "tuple")).then_some(0.5)
        },
        advice: |case| {
            format!(
                "A context keeps every value set in it, and {} keeps it. Reset variables with their token, and do not keep \
                 contexts longer than what runs in them.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "logging_handler",
        fits: |case| {
            let kinds = ["Logger", "RootLogger", "Manager", "LogRecord", "PlaceHolder"];
            let is_log = |name: &str| kinds.contains(&name) || ends_with(name, &["Logger", "LogRecord"]);
            // Others have handlers, too: of requests, of signals, of events.
            let is_of_logging = case.type_name.starts_with("logging.")
                || case.below.iter().any(|name| is_log(name))
                || case.way.iter().any(|step| {
                    is_log(&step.type_name)
                        || step.name.as_deref().is_some_and(|name| name.starts_with("logging"))
                });
            let is_handler = |name: &str| ends_with(name, &["Handler"]);
            let has_handlers =
                is_handler(&case.type_name) || case.way.iter().any(|step| is_handler(&step.type_name));
            let is_it = is_log(&case.type_name)
                || case.way.iter().any(|step| is_log(&step.type_name))
                || (has_handlers && is_of_logging);
            is_it.then_some(0.4)
        },
        advice: |case| {
            format!(
                "Loggers, handlers and their records live as long as the program: {} gets more each time. Get loggers by a \
                 fixed name, add handlers once, and close those that are made for a task.",
                holder_name(case)
            )
        },
    },
];
