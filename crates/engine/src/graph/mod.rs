//! What functions over the graph index share: `parents`, `retained`, `whatif_cut`, ...
//!
//! ```text
//! call --table.rs--> provider --exec.rs--> GraphExec over a plan per set --function--> GraphRows --exec.rs--> batches
//! ```
//!
//! A set of objects is a predicate over `obj` or a list of addresses (`set.rs`). A predicate becomes an ordinary plan
//! below the operator, so that it prunes and shows in EXPLAIN. Each function is a [`GraphFunction`] in
//! [`crate::functions`]: it answers a [`GraphQuestion`] with [`GraphRows`], and most of them with [`ObjectRows`].

pub(crate) mod exec;
pub(crate) mod layer;
mod question;
mod rows;
mod set;
mod table;

pub use layer::Edited;
pub(crate) use question::{GraphAnswer, GraphFunction, GraphQuestion};
pub(crate) use rows::{
    DUMP, HOPS, ListRows, OBJECT, ObjectRows, OwnColumn, SET, addresses, counts, numbers, numbers_or_null,
    object_column, texts, texts_or_null,
};
pub use set::is_type_name;
pub(crate) use set::{Set, check_is_one_expression};
