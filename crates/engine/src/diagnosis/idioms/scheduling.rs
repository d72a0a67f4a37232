//! What waits to be run: tasks, generators, queues.

use heaplake_model::short_type_name;

use super::{Idiom, ends_with, holder_name};
use crate::diagnosis::sort::known_name;

pub(super) static IDIOMS: [Idiom; 4] = [
    Idiom {
        name: "pending_task",
        fits: |case| {
            let is_task =
                |name: &str| matches!(name, "Task" | "Future" | "TimerHandle" | "Handle" | "Waiter");
            let found = is_task(known_name(&case.type_name))
                || is_task(known_name(&case.full_kid_type))
                || case.below.contains("Task")
                || case.below.contains("Future");
            found.then_some(0.6)
        },
        advice: |case| {
            format!(
                "Tasks and futures in {} never get done, and each keeps its coroutine with all variables. Give what they \
                 wait for a timeout, cancel them, and remove them when done.",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "suspended_generator",
        fits: |case| {
            let kinds = ["generator", "async_generator", "coroutine"];
            (kinds.contains(&case.kid_type.as_str()) || kinds.contains(&short_type_name(&case.type_name)))
                .then_some(0.5)
        },
        advice: |case| {
            format!(
                "Generators in {} were begun and never finished; each keeps its frame with all variables. Exhaust or close \
                 them (contextlib.closing).",
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "queue_without_consumer",
        fits: |case| {
            let is_queue = |name: &str| ends_with(name, &["Queue", "SimpleQueue"]) || name == "SimpleQueue";
            let of_queue = case.way.iter().rev().take(3).any(|step| is_queue(&step.type_name));
            of_queue.then_some(0.5)
        },
        advice: |case| {
            format!(
                "Nobody takes `{}` out of {} as fast as they are put in. See whether its consumer still runs, and give the \
                 queue a bound.",
                case.type_name,
                holder_name(case)
            )
        },
    },
    Idiom {
        name: "greenlet",
        fits: |case| ends_with(&case.type_name, &["greenlet", "Greenlet"]).then_some(0.5),
        advice: |case| format!("Greenlets in {} wait and are never switched to again.", holder_name(case)),
    },
];
