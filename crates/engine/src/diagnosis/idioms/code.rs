//! Classes and modules made at run time, logs and warnings of the library.

use super::{Idiom, ends_with, holder_name};

pub(super) static IDIOMS: [Idiom; 5] = [
    Idiom {
        name: "class_per_request",
        fits: |case| matches!(case.kid_type.as_str(), "type" | "ABCMeta" | "EnumMeta").then_some(1.4),
        advice: |case| {
            format!(
                "A class is made again and again and kept in {}. Make it once, or an object in its place (a class is a \
                 cycle, and large).",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "module_per_request",
        fits: |case| {
            let is_table = case.is_called(&["modules"]) || case.way.len() == 1;
            (case.kid_type == "module").then_some(if is_table { 0.0 } else { 2.4 })
        },
        advice: |case| format!("Modules are made again and again and kept in {}.", holder_name(case)),
    },
    Idiom {
        name: "warning_registry",
        fits: |case| case.is_called(&["__warningregistry__", "onceregistry"]).then_some(0.3),
        advice: |case| {
            format!(
                "Each new text of a warning is remembered in {}. Write what changes into the log and not into the text of \
                 the warning.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "query_log",
        fits: |case| {
            let is_log =
                case.is_called(&["queries", "statements", "identity_map", "query_log", "queries_log"]);
            is_log.then_some(0.4)
        },
        advice: |case| {
            format!(
                "{} keeps every query. Turn the log off outside of development, or end the session after each request.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "buffer_view",
        fits: |case| {
            let is_view = |name: &str| ends_with(name, &["ndarray", "memoryview"]);
            (is_view(&case.type_name) || is_view(&case.kid_type)).then_some(0.2)
        },
        advice: |case| {
            format!(
                "A small view in {} keeps the whole buffer alive that it is a part of. Copy the part (`.copy()`, bytes()).",
                holder_name(case)
            )
        },
    },
];
