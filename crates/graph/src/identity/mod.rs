//! Which node of one graph is which of another: two heaps of which one may be a later moment of the other.
//!
//! Two rules, each of which gives every node of the first graph at most one *partner* in the second:
//!
//! - by address (`address.rs`), for two moments of one process: the object at the same address, if it may be the same.
//!   What both refer to then says how likely it is.
//! - by path (`path.rs`), for two processes: what is at the end of the same way from the roots.
//!
//! What may be the same object is for the caller to say, who knows names, values and types; here they are numbers.

mod address;
mod path;

pub use address::{Agreement, Shared, agreements, same_addresses};
pub use path::{Key, PathPartners, PathSide, same_paths};
