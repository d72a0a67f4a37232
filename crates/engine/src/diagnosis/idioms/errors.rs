//! Exceptions that are kept, with the frames of their tracebacks and all variables in them.

use super::{Idiom, ends_with, holder_name};
use crate::diagnosis::case::Case;

fn is_exception(case: &Case) -> bool {
    let named = |name: &str| ends_with(name, &["Error", "Exception", "Warning", "Exit", "Interrupt"]);
    named(&case.type_name) || named(&case.kid_type) || case.below.contains("traceback")
}

pub(super) static IDIOMS: [Idiom; 3] = [
    Idiom {
        name: "last_exception",
        fits: |case| case.is_called(&["last_value", "last_traceback", "last_exc"]).then_some(0.8),
        advice: |case| {
            format!(
                "{} is the last exception that nobody handled; its traceback keeps every variable of its frames. Delete it \
                 when it was printed.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "stored_exception",
        fits: |case| is_exception(case).then_some(0.6),
        advice: |case| {
            format!(
                "Each exception kept in {} keeps its traceback, and that the variables of all frames it went through. Keep a \
                 text (traceback.format_exception), or drop it with `error.with_traceback(None)`.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "interactive_history",
        fits: |case| {
            let labels: Vec<&str> = case.way.iter().filter_map(|step| step.label.as_deref()).collect();
            labels
                .iter()
                .any(|label| matches!(*label, "['_oh']" | "['Out']" | "['_ih']" | "['In']"))
                .then_some(0.6)
        },
        advice: |case| {
            format!(
                "The history of an interactive session, {}, keeps every result that was shown.",
                holder_name(case)
            )
        },
    },
];
