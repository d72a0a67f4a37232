//! Functions that keep what they were made with: defaults, listeners, closures, partials.

use heaplake_model::short_type_name;

use super::{Idiom, holder_name};
use crate::diagnosis::case::Case;

/// Words in the names of registries of functions.
const LISTENER_WORDS: [&str; 11] = [
    "listener",
    "callback",
    "handler",
    "hook",
    "subscriber",
    "observer",
    "receiver",
    "signal",
    "on_",
    "topic",
    "event",
];

fn holds_functions(case: &Case) -> bool {
    matches!(case.kid_type.as_str(), "function" | "method" | "instancemethod" | "WeakMethod" | "partial")
        || case.type_name == "function"
        || (case.kid_type == "list" && case.below.contains("method"))
        || (case.kid_type == "tuple" && short_type_name(&case.type_name) == "Context")
}

pub(super) static IDIOMS: [Idiom; 5] = [
    Idiom {
        name: "mutable_default",
        fits: |case| {
            let n = case.way.len();
            let is_default = n >= 3
                && case.above(1) == "tuple"
                && case.above(2) == "function"
                && case.way[n - 2].label.as_deref().is_none_or(|label| label == ".__defaults__");
            let is_keyword = n >= 3
                && case.above(2) == "function"
                && case.way[n - 2].label.as_deref() == Some(".__kwdefaults__");
            let is_container = matches!(case.above(0), "list" | "dict" | "set" | "deque" | "defaultdict");
            ((is_default || is_keyword) && is_container).then_some(0.8)
        },
        advice: |case| {
            format!(
                "{} is the default of an argument, made once with the function and shared by all calls. Write None as \
                 the default, and make the {} in the function.",
                holder_name(case),
                case.holder_type
            )
        },
    },
    Idiom {
        name: "partial",
        fits: |case| (case.kid_type == "partial" || case.below.contains("partial")).then_some(0.4),
        advice: |case| {
            format!(
                "Every functools.partial in {} keeps its arguments alive, `{}` among them. Remove it from there when it \
                 was called, or bind an id in place of the object.",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "listener_registry",
        fits: |case| (holds_functions(case) && case.is_called(&LISTENER_WORDS)).then_some(0.5),
        advice: |case| {
            format!(
                "Something registers with {} again and again and never leaves. Unregister where the object ends, or keep \
                 listeners as weak references (weakref.WeakMethod, WeakSet).",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "closure",
        fits: |case| {
            let n = case.way.len();
            let in_cell = n >= 2 && case.above(1) == "cell";
            (in_cell || (case.kid_type == "function" && case.below.contains("cell"))).then_some(0.4)
        },
        advice: |case| {
            format!(
                "Functions made inside another function keep its variables alive, here {}. Drop the inner function when \
                 it is done, or hand over only what it needs.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "callbacks",
        fits: |case| holds_functions(case).then_some(0.3),
        advice: |case| {
            format!(
                "{} gets one more function each time, and each keeps its object and its variables alive. Remove it when it \
                 was called, or when its object ends.",
                holder_name(case)
            )
        },
    },
];
