//! What is left when nothing special fits: a container, a chain, one huge object.

use super::{Idiom, holder_name};
use crate::diagnosis::candidate::How;

pub(super) static IDIOMS: [Idiom; 4] = [
    Idiom {
        name: "chain",
        fits: |case| (case.how == How::Chain).then_some(0.5),
        advice: |case| {
            format!(
                "Every `{}` keeps the next one alive, down from {}. Cut the reference from one to the other when it has \
                 served its purpose, or make it weak; the path shows which reference it is.",
                case.type_name,
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "huge_object",
        fits: |case| (case.how == How::Huge).then_some(-0.6),
        advice: |case| {
            format!(
                "One `{}` is most of it. If that is not meant to be kept whole, keep a part, or read it piece by piece.",
                case.type_name
            )
        },
    },
    Idiom {
        name: "many_equal",
        fits: |case| {
            let is_text = matches!(case.type_name.as_str(), "str" | "bytes") && case.counts.len() == 1;
            is_text.then_some(-0.4)
        },
        advice: |case| {
            format!(
                "{} holds many `{}`; if many of them are equal, keep one of each (sys.intern, or a dict of those seen).",
                holder_name(case),
                case.type_name
            )
        },
    },
    Idiom {
        name: "growing_container",
        fits: |_| Some(0.0),
        advice: |case| {
            format!(
                "Find the place that adds `{}` to {}, and remove it there when it is no longer needed, or give the `{}` \
                 a bound.",
                case.type_name,
                holder_name(case),
                case.holder_type
            )
        },
    },
];

/// What fits everything.
pub(super) fn growing_container() -> &'static Idiom {
    &IDIOMS[3]
}
