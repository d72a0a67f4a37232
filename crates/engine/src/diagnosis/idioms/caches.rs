//! Caches without a bound.

use super::{Idiom, holder_name};

/// Words in the names of caches.
const CACHE_WORDS: [&str; 6] = ["cache", "memo", "_seen", "lookup", "by_key", "pool"];

pub(super) static IDIOMS: [Idiom; 5] = [
    Idiom {
        name: "lru_cache_method",
        fits: |case| {
            let of_class = case.way.windows(3).any(|steps| {
                matches!(steps[0].type_name.as_str(), "type" | "ABCMeta")
                    && steps[2].type_name == "_lru_cache_wrapper"
            });
            (of_class && case.way_has(&["_lru_cache_wrapper"])).then_some(0.6)
        },
        advice: |case| {
            format!(
                "{} caches a method: every key has the `self` of its call in it, which stays alive as long as the class. Use \
                 functools.cached_property, a cache in the object, or a function without `self`.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "lru_cache",
        fits: |case| case.way_has(&["_lru_cache_wrapper"]).then_some(0.5),
        advice: |case| {
            format!(
                "{} keeps the result of every call. Give lru_cache a maxsize that fits.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "weak_value_holds_key",
        fits: |case| {
            let is_proved = case.proof.is_some() && case.has_weak_keys;
            (is_proved || case.way_has(&["WeakKeyDictionary"])).then_some(0.5)
        },
        advice: |case| {
            format!(
                "The values of the weak map {} refer to their own keys, so that no key ever dies. Keep in the \
                 value only what does not lead back to the key, or a weak reference.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "metric_labels",
        fits: |case| {
            let metrics = ["Counter", "Gauge", "Histogram", "Summary", "MetricWrapperBase"];
            let program =
                |kind: &str| case.way.iter().any(|step| step.type_name == kind && step.name.is_none());
            let is_metric = metrics[1..].iter().any(|kind| program(kind))
                || (case.way.len() > 1 && case.above(1) == "Counter")
                || case.is_called(&["metric", "_labels"]);
            (is_metric && case.holder_type == "dict").then_some(0.4)
        },
        advice: |case| {
            format!(
                "{} has a series for every combination of labels. Leave labels out that can have any value, such as ids, \
                 paths and addresses.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "unbounded_cache",
        fits: |case| {
            let is_dict = matches!(case.above(0), "dict" | "OrderedDict" | "defaultdict" | "set");
            (is_dict && case.is_called(&CACHE_WORDS)).then_some(0.3)
        },
        advice: |case| {
            format!(
                "Nothing is ever removed from {}. Give it a bound (functools.lru_cache with a maxsize, a TTL), or remove \
                 `{}` when they are no longer valid.",
                holder_name(case),
                case.type_name
            )
        },
    },
];
