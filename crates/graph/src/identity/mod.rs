//! Which node of one graph corresponds to which node of another: two heaps, perhaps the same one at two moments.
//!
//! Two rules, each of which gives every node of the first graph at most one *partner* in the second:
//!
//! - by address (`address.rs`), for two moments of one process: the object at the same address, if it may be the same.
//!   How far their references agree says how likely that is.
//! - by path (`path.rs`), for two processes: the object at the end of the same path from the roots.
//!
//! The caller, who knows names, values and types, says what may be the same object; here these are numbers.

mod address;
mod path;

pub use address::{Agreement, Shared, agreements, same_addresses};
pub use path::{Key, PathPartners, PathSide, same_paths};
