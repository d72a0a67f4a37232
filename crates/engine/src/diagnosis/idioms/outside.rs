//! What no object of the program holds: garbage cycles, references from C.

use super::Idiom;
use crate::diagnosis::candidate::How;

pub(super) static IDIOMS: [Idiom; 3] = [
    Idiom {
        name: "garbage_cycle",
        fits: |case| (case.how == How::Garbage).then_some(0.8),
        advice: |case| {
            format!(
                "Nothing refers to these `{}` but they themselves: they wait for the collector. If it is off (gc.disable, \
                 gc.freeze), break the cycle, or call gc.collect.",
                case.type_name
            )
        },
    },
    Idiom {
        name: "finalizer",
        fits: |case| {
            let is_finalizer = case.kid_type == "finalize"
                || case.type_name == "_Info"
                || case.way_has(&["finalize"])
                || case.below.contains("_Info");
            is_finalizer.then_some(0.5)
        },
        advice: |_| {
            "A finalizer keeps its function and arguments until its object dies; if one of them leads to the object, it never \
             does. Hand over only what the function needs."
                .to_owned()
        },
    },
    Idiom {
        name: "external_reference",
        fits: |case| (case.how == How::External).then_some(0.2),
        advice: |case| {
            format!(
                "No object refers to these `{}`: C code does, an extension that forgot to release them, or a registry of the \
                 interpreter such as atexit.",
                case.type_name
            )
        },
    },
];
